"""The audit log: each way to falsify it by name, and what only a statement that was given away can show."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.audit import AuditLog, verify_audit
from federated.auditrecords import AuditHead, AuditKind
from federated.errors import AuditCorrupt, AuditUnusable
from mobility.trust.errors import SchemaError
from mobility.trust.keys import PUBLIC_IDENTITY, Identity, Role
from mobility.trust.strict import canonical_bytes

ROOT = Path(__file__).parents[2]
OSLO, LIMA = (Identity.generate(name, Role.PLACE) for name in ("oslo", "lima"))
STORY = [
    (AuditKind.ADMITTED, {"app": "c" * 64, "dataset": "ward", "signers": ["a" * 64]}),
    (AuditKind.EXECUTED, {"app": "c" * 64, "message": "m1", "type": "train", "seconds": 0.25}),
    (AuditKind.RELEASED, {"dataset": "ward", "message": "m1", "rho": 0.03125, "bytes": 812, "ledger": 7}),
    (AuditKind.WITHHELD, {"dataset": "ward", "message": "m2", "rules": ["finite"]}),
    (AuditKind.REFUSED, {"app": "d" * 64, "dataset": "ward", "rules": ["admission"]}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def told(path: Path, place: Identity = OSLO) -> list[AuditHead]:
    with AuditLog(path, place) as log:
        return [log.note(kind, **facts) for kind, facts in STORY]


def test_what_is_noted_is_read_back(path: Path) -> None:
    """Who, what, when; fractions as text; and the file is sound, by its own key and by the expected one."""
    before = time.time()
    heads = told(path)
    report = verify_audit(path, place=OSLO.public, heads=heads, at_least=6)
    assert report.sound and report.problems == () and report.torn == 0
    assert report.place == OSLO.public
    assert [one.kind for one in report.entries] == [AuditKind.OPENED, *(kind for kind, _ in STORY)]
    assert [one.number for one in report.entries] == list(range(6))
    rows = report.rows()
    assert rows[2]["seconds"] == "0.25" and rows[3]["bytes"] == 812 and rows[5]["rules"] == ["admission"]
    assert before - 1 < rows[1]["time"] < time.time() + 1
    assert json.dumps(rows)


def test_a_log_goes_on_where_it_ended(path: Path) -> None:
    """After a restart of the place, in one chain."""
    heads = told(path) + told(path)
    report = verify_audit(path, place=OSLO.public, heads=heads)
    assert report.sound and len(report.entries) == 11
    with AuditLog(path, OSLO) as log:
        assert log.head == heads[-1]


def test_an_entry_is_on_the_disk_before_note_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it tells of goes on only then."""
    calls: list[str] = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda *given: (calls.append("write"), write(*given))[1])
    monkeypatch.setattr(os, "fsync", lambda *given: (calls.append("fsync"), fsync(*given))[1])
    with AuditLog(path, OSLO) as log:
        calls.clear()
        log.note(AuditKind.ADMITTED, app="x")
        assert calls == ["write", "fsync"]


def test_heads_travel(path: Path) -> None:
    """As JSON; a head that was altered, or signed by somebody else, is seen."""
    head = told(path)[2]
    again = AuditHead.from_bytes(head.to_bytes())
    assert again == head and again.is_signed_by(OSLO.public) and not again.is_signed_by(LIMA.public)
    forged = AuditHead(head.log, head.number + 1, head.digest, head.signature)
    assert not forged.is_signed_by(OSLO.public)
    assert "is not signed by" in verify_audit(path, heads=[forged]).problems[0]
    with pytest.raises(SchemaError):
        AuditHead.from_bytes(b"{}")


# -- falsified ---------------------------------------------------------------------------------------------------------


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def rewritten(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(b"".join(change(lines(path)))) and None


def edited(number: int, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(found: list[bytes]) -> list[bytes]:
        assert old in found[number]
        found[number] = found[number].replace(old, new)
        return found

    return rewritten(change)


def signed_by_another(found: list[bytes]) -> list[bytes]:
    """An entry with other facts, signed as it should be, but by another place."""
    line = json.loads(found[3])
    line["entry"]["facts"]["bytes"] = 1
    from federated import auditrecords
    from mobility.trust.pae import pre_authentication_encoding

    body = canonical_bytes(line["entry"])
    line["signature"] = LIMA.sign(pre_authentication_encoding(auditrecords._ENTRY_TYPE, body)).hex()
    found[3] = canonical_bytes(line) + b"\n"
    return found


FORGERIES: list[Any] = [
    pytest.param(edited(3, b'"bytes":812', b'"bytes":811'), "entry 3 is not signed", id="a fact altered"),
    pytest.param(edited(3, b'"kind":"released"', b'"kind":"withheld"'), "entry 3 is not signed", id="a kind altered"),
    pytest.param(edited(2, b'"signature":"', b'"signature":"00'), "entry 2 is not readable", id="a longer signature"),
    pytest.param(edited(2, b',"kind"', b', "kind"'), "entry 2 is not spelt", id="a space put in"),
    pytest.param(edited(2, b'"facts":{', b'"facts":{"app":"x",'), "entry 2 is not readable", id="a name twice"),
    pytest.param(rewritten(signed_by_another), "entry 3 is not signed", id="signed by another place"),
    pytest.param(rewritten(lambda found: found[:2] + found[3:]), "entry 3 stands where 2 is due", id="dropped"),
    pytest.param(rewritten(lambda found: found[1:]), "entry 0 is of the kind", id="the first dropped"),
    pytest.param(
        rewritten(lambda found: [*found[:2], found[3], found[2], *found[4:]]), "entry 3 stands where 2", id="reordered"
    ),
    pytest.param(rewritten(lambda found: [*found[:3], *found[2:]]), "entry 2 stands where 3 is due", id="repeated"),
    pytest.param(
        rewritten(lambda found: [*found[:2], b"\n", *found[2:]]), "entry 2 is not readable", id="an empty line"
    ),
    pytest.param(rewritten(lambda found: [b"{}\n", *found]), "entry 0 is not readable", id="another first line"),
]


@pytest.mark.parametrize(("forge", "problem"), FORGERIES)
def test_what_was_falsified_is_found_and_not_continued(path: Path, forge: Callable[[Path], None], problem: str) -> None:
    """By whoever verifies, and by the place itself when it opens its log."""
    told(path)
    forge(path)
    found = path.read_bytes()
    report = verify_audit(path)
    assert not report.sound and problem in report.problems[0]
    with pytest.raises(AuditCorrupt, match="is not what was written"):
        AuditLog(path, OSLO)
    assert path.read_bytes() == found


def test_a_second_beginning_is_no_entry(path: Path) -> None:
    """The place itself, with its key, cannot hand its log over to another key in the middle."""
    told(path)
    facts = PUBLIC_IDENTITY.write(LIMA.public)
    with AuditLog(path, OSLO) as log:
        log._write(AuditKind.OPENED, facts)
    assert verify_audit(path).problems[0].startswith("entry 6 is of the kind opened, which does not stand there")


def test_entries_of_another_log_of_the_same_place_do_not_fit(path: Path, tmp_path: Path) -> None:
    """Well signed, with the right number, and from elsewhere."""
    other = tmp_path / "other.log"
    told(path), told(other)
    path.write_bytes(b"".join([*lines(path)[:3], *lines(other)[3:]]))
    assert "entry 3 does not continue the one before it" in verify_audit(path).problems[0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Wherever it is, and whatever it becomes."""
    path = tmp_path_factory.mktemp("audit") / "audit.log"
    told(path)
    text = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(text)
    assert not verify_audit(path).sound


def test_a_cut_tail_shows_only_by_what_is_known_elsewhere(path: Path) -> None:
    """The file alone is sound: that is said in the module's text, and this is the remedy for it."""
    heads = told(path)
    rewritten(lambda found: found[:-2])(path)
    assert verify_audit(path, place=OSLO.public).sound
    problems = verify_audit(path, heads=heads).problems
    assert problems == ("entry 4 was written, and the log ends with 3", "entry 5 was written, and the log ends with 3")
    assert verify_audit(path, at_least=6).problems == ("it has 4 entries, and at least 6 were written",)
    with pytest.raises(AuditCorrupt, match="at least 6 were written"):
        AuditLog(path, OSLO, at_least=6)


def test_a_tail_that_was_cut_and_grown_again_shows(path: Path) -> None:
    """The same length, another story."""
    heads = told(path)
    rewritten(lambda found: found[:-1])(path)
    with AuditLog(path, OSLO) as log:
        log.note(AuditKind.ADMITTED, app="another")
    assert verify_audit(path, at_least=6).sound
    assert verify_audit(path, heads=heads).problems == ("entry 5 is another one than was written",)


def test_a_second_log_shows(path: Path) -> None:
    """One for the auditor, and one that is true."""
    heads = told(path)
    path.unlink()
    told(path)
    assert "was written into another log of this place" in verify_audit(path, heads=heads).problems[0]


def test_another_place_is_not_the_expected_one(path: Path) -> None:
    """A log that somebody has written anew from the start, with a key of its own."""
    told(path, LIMA)
    assert verify_audit(path).sound
    assert "and place:oslo" in verify_audit(path, place=OSLO.public).problems[0]
    with pytest.raises(AuditCorrupt, match="was begun by place:lima"):
        AuditLog(path, OSLO)


# -- the end of a process ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 2, 50, 200])
def test_a_line_that_was_not_finished_is_cut_off_and_told(path: Path, cut: int) -> None:
    """It was not acknowledged; the entries before are all there."""
    told(path)
    whole = path.read_bytes()
    torn = whole[:-cut]
    path.write_bytes(torn)
    lost = torn[torn.rindex(b"\n") + 1 :]
    report = verify_audit(path)
    assert report.torn == len(lost) and "its last line is not finished" in report.problems[0]
    assert len(report.entries) == 5
    with AuditLog(path, OSLO) as log:
        log.note(AuditKind.ADMITTED, app="next")
    report = verify_audit(path)
    assert report.sound and [one.kind for one in report.entries[-2:]] == [AuditKind.RECOVERED, AuditKind.ADMITTED]
    assert report.entries[-2].facts == {"bytes": len(lost), "sha256": hashlib.sha256(lost).hexdigest()}


@pytest.mark.parametrize("left", [1, 40, -1])
def test_what_is_left_of_a_log_is_no_new_one(path: Path, left: int) -> None:
    """Not a byte of it goes; whoever knows that it was killed at the first entry moves the file away, as it is told."""
    told(path)
    rest = path.read_bytes().split(b"\n")[0]
    rest = rest[:left] if left > 0 else rest
    path.write_bytes(rest)
    with pytest.raises(AuditCorrupt, match="move the file away"):
        AuditLog(path, OSLO)
    assert path.read_bytes() == rest and not verify_audit(path).sound
    path.rename(path.with_name("torn"))
    AuditLog(path, OSLO).close()
    assert verify_audit(path).sound


def test_a_file_without_bytes_is_a_new_log_unless_more_is_known(path: Path) -> None:
    """As a missing one."""
    path.touch()
    with pytest.raises(AuditCorrupt, match="at least 1"):
        AuditLog(path, OSLO, at_least=1)
    AuditLog(path, OSLO).close()
    assert verify_audit(path).sound


def test_killed_at_any_moment_every_acknowledged_entry_is_there(path: Path, tmp_path: Path) -> None:
    """A process that says after each `note` how far it is, and is killed."""
    OSLO.save(tmp_path / "key")
    code = """
import sys
from federated.audit import AuditLog
from federated.auditrecords import AuditKind
from mobility.trust.keys import Identity
with AuditLog(sys.argv[1], Identity.load(sys.argv[2])) as log:
    while True:
        print(log.note(AuditKind.EXECUTED, app="x" * 3000).number, flush=True)
"""
    chance, entries = random.Random(2), 0
    for _ in range(4):
        command = [sys.executable, "-c", code, str(path), str(tmp_path / "key")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chance.uniform(0.01, 0.1))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        acknowledged = [int(line) for line in (first + rest).splitlines(keepends=False) if line]
        with AuditLog(path, OSLO):
            pass
        report = verify_audit(path, place=OSLO.public, at_least=acknowledged[-1] + 1)
        assert report.sound, report.problems
        assert len(report.entries) > entries
        entries = len(report.entries)


# -- use ---------------------------------------------------------------------------------------------------------------


def test_one_process_at_a_time(path: Path) -> None:
    """Two writers would each continue the same entry."""
    with AuditLog(path, OSLO):
        with pytest.raises(AuditUnusable, match="open in another process"):
            AuditLog(path, OSLO)
    AuditLog(path, OSLO).close()


def test_what_cannot_be_written_down_is_refused(path: Path) -> None:
    """Facts that JSON cannot hold, or too many; the log is as it was."""
    with AuditLog(path, OSLO) as log:
        for facts in ({"x": object()}, {"x": b"bytes"}, {"x": [0.5]}, {"x": "y" * (2 << 20)}, {"x": "\ud800"}):
            with pytest.raises(ValueError):
                log.note(AuditKind.ADMITTED, **facts)  # type: ignore[arg-type]  # wrong on purpose
        for kind in (AuditKind.OPENED, AuditKind.RECOVERED):
            with pytest.raises(ValueError):
                log.note(kind)
        log.note(AuditKind.ADMITTED, app="x", text='a "quote"\n and 日本', nothing=None, yes=True)
    report = verify_audit(path)
    assert report.sound and len(report.entries) == 2
    assert report.entries[1].facts["text"] == 'a "quote"\n and 日本'


def test_a_full_disk_leaves_a_whole_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line is taken back, the caller is told, and later entries fit."""
    write = os.write
    with AuditLog(path, OSLO) as log:
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        with pytest.raises(AuditUnusable, match="the disk is full") as caught:
            log.note(AuditKind.RELEASED, message="m")
        monkeypatch.undo()
        log.note(AuditKind.RELEASED, message="m")
    assert verify_audit(path).sound
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_closed_or_missing_log_says_so(path: Path) -> None:
    """And an empty file is no sound log."""
    log = AuditLog(path, OSLO)
    log.close(), log.close()
    with pytest.raises(AuditUnusable, match="was closed"):
        log.note(AuditKind.ADMITTED)
    with pytest.raises(AuditUnusable, match="cannot be read"):
        verify_audit(path.with_name("none"))
    path.write_bytes(b"")
    assert verify_audit(path).problems == ("it has no entries, not even its first",)
    assert path.stat().st_mode & 0o077 == 0
