"""The list of trusted keys: readable, never older, whole after a crash, and one for all threads and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mobility.trust._files import read_capped
from mobility.trust.errors import (
    Expired,
    NameTaken,
    NotYetValid,
    Revoked,
    Rollback,
    SchemaError,
    StoreDamaged,
    TooLarge,
    UnknownKey,
    UntrustedSigner,
    WrongRole,
)
from mobility.trust.keys import Identity, Role
from mobility.trust.limits import Limits
from mobility.trust.store import TrustStore
from mobility.trust.trustlist import TrustList
from tests.mobility.trust.people import BAKU, LIMA, NOW, OSLO, OWNER, STRANGER, entry, refused, trusted

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    return TrustStore(tmp_path / "trusted", place="lima")


def test_lookup(store: TrustStore) -> None:
    """A verdict, or the one reason against it."""
    store.trust(OSLO.public, not_before=NOW, not_after=NOW + 10)
    verdict = store.lookup(OSLO.key_id, "place", NOW, 0)
    assert (verdict.public, verdict.name, verdict.role) == (OSLO.public, "oslo", Role.PLACE)
    assert "On lima run" in str(refused(UntrustedSigner, lambda: store.lookup(BAKU.key_id, "place", NOW, 0)))
    assert "On lima run" in str(refused(WrongRole, lambda: store.lookup(OSLO.key_id, "owner", NOW, 0)))
    assert store.lookup(OSLO.key_id, "place", NOW - 60, 0) and store.lookup(OSLO.key_id, "place", NOW + 70, 0)
    refused(NotYetValid, lambda: store.lookup(OSLO.key_id, "place", NOW - 61, 0))
    refused(Expired, lambda: store.lookup(OSLO.key_id, "place", NOW + 71, 0))
    store.revoke(OSLO.key_id, from_epoch=3)
    assert store.lookup(OSLO.key_id, "place", NOW, 2)
    refused(Revoked, lambda: store.lookup(OSLO.key_id, "place", NOW, 3))
    refused(Revoked, lambda: store.lookup(OSLO.key_id, "place", NOW, 4))


def test_the_name_is_the_lists_own(store: TrustStore) -> None:
    """What a key calls itself is not believed."""
    store.trust(STRANGER.public, name="guest", roles=("owner", "place"))
    assert store.lookup(STRANGER.key_id, "owner", NOW, 0).name == "guest"


def test_name_taken(store: TrustStore) -> None:
    """Whoever comes second cannot pass for the first, in any case of letters; a successor has to be named as such."""
    store.trust(OSLO.public)
    for name in ("oslo", "Oslo", "OSLO"):
        assert refused(NameTaken, lambda: store.trust(STRANGER.public, name=name)).key_id == OSLO.key_id
    assert store.version == 1
    store.trust(STRANGER.public, name="oslo", rotate=True)
    assert {one.name for one in store.current().listed} == {"oslo"}
    store.trust(OSLO.public, roles=("owner",), rotate=True)


def test_revocation_is_final(store: TrustStore) -> None:
    """It can reach further back, never be lifted, and the name is free again."""
    store.trust(OSLO.public)
    assert store.revoke(OSLO.key_id, 5).revoked_from == 5
    assert store.revoke(OSLO.key_id, 7).revoked_from == 5
    assert store.version == 2
    assert store.revoke(OSLO.key_id).revoked_from == 0
    refused(Revoked, lambda: store.trust(OSLO.public))
    refused(UnknownKey, lambda: store.revoke(BAKU.key_id))
    store.trust(STRANGER.public, name="oslo")


def test_an_empty_store_trusts_nobody(store: TrustStore) -> None:
    """And asking makes no folder."""
    assert store.current() == TrustList()
    refused(UntrustedSigner, lambda: store.lookup(OSLO.key_id, "place", NOW, 0))
    assert not store.folder.exists()


def test_files_are_readable(store: TrustStore) -> None:
    """One per key, and one with the version; a person sees who is trusted as what."""
    store.trust(OSLO.public)
    store.trust(OWNER.public)
    store.revoke(OSLO.key_id, 4)
    names = sorted(os.listdir(store.folder / "keys"))
    assert names == [f"oslo.{OSLO.key_id[:16]}.v3.json", f"survey-lab.{OWNER.key_id[:16]}.v2.json"]
    said = json.loads((store.folder / "keys" / names[0]).read_text())
    assert (said["name"], said["roles"], said["revoked_from"]) == ("oslo", ["place"], 4)
    assert json.loads((store.folder / "version.json").read_text())["version"] == 3


def test_another_store_sees_every_change_at_once(tmp_path: Path) -> None:
    """A running place heeds what the command line has just revoked."""
    running, command = TrustStore(tmp_path / "t"), TrustStore(tmp_path / "t")
    for number in range(20):
        command.trust(OSLO.public, not_after=1000 + number)
        assert running.current().entries[OSLO.key_id].not_after == 1000 + number
        assert running.version == command.version == number + 1
    command.revoke(OSLO.key_id)
    refused(Revoked, lambda: running.lookup(OSLO.key_id, "place", 0, 0))


def test_a_settled_folder_is_not_read_again(store: TrustStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup costs one look at the file's date; and a change is seen nevertheless."""
    store.trust(OSLO.public)
    os.utime(store.folder / "version.json", (1, 1))
    before = store.current()
    monkeypatch.setattr(TrustStore, "_read", lambda self: pytest.fail("it was read again"))
    assert store.current() is before
    monkeypatch.undo()
    TrustStore(store.folder).revoke(OSLO.key_id)
    assert store.current().version == 2


# -- damage -----------------------------------------------------------------------------------------------------------


def test_altered_by_hand(store: TrustStore) -> None:
    """Whatever is changed, nobody is trusted; what a running place has read and checked before stays as it was."""
    store.trust(OSLO.public)
    store.trust(OWNER.public)
    before = store.current()
    index = store.folder / "version.json"
    key = min((store.folder / "keys").iterdir())
    for path, more in ((key, b" "), (index, b"x")):
        good = path.read_bytes()
        for bad in (b"", good[:-3], good + more, None):
            if bad is None:
                path.unlink()
            else:
                path.write_bytes(bad)
            for call in (TrustStore.current, lambda fresh: fresh.trust(BAKU.public)):
                refused(StoreDamaged, lambda: call(TrustStore(store.folder)))
            if path == index:
                refused(StoreDamaged, store.current)
            else:
                assert store.current() == before
        path.write_bytes(good)
    assert TrustStore(store.folder).current() == before


@pytest.mark.parametrize("file", ["../version.json", "/etc/passwd", "..", "a/b.json", ".x.json", "x\0.json", "x.txt"])
def test_the_index_names_no_file_elsewhere(store: TrustStore, file: str) -> None:
    """Only files of the keys' folder."""
    store.trust(OSLO.public)
    index = json.loads((store.folder / "version.json").read_text())
    index["keys"][0]["file"] = file
    (store.folder / "version.json").write_text(json.dumps(index))
    refused(StoreDamaged, store.current)


def test_one_keys_file_under_anothers_entry(store: TrustStore) -> None:
    """The order and the digests are part of the index: a key cannot be listed twice or out of place."""
    store.trust(OSLO.public)
    store.trust(OWNER.public)
    path = store.folder / "version.json"
    index = json.loads(path.read_text())
    for keys in (index["keys"][::-1], index["keys"][:1] * 2):
        path.write_text(json.dumps({**index, "keys": keys}))
        refused(StoreDamaged, lambda: TrustStore(store.folder).current())


# -- versions ---------------------------------------------------------------------------------------------------------


def test_older_folder(store: TrustStore) -> None:
    """A store that has shown a version shows no lower one, and no other one of the same number."""
    store.trust(OSLO.public)
    path = store.folder / "version.json"
    first = path.read_bytes()
    key = next((store.folder / "keys").iterdir())
    content = key.read_bytes()
    store.revoke(OSLO.key_id)
    key.write_bytes(content)
    path.write_bytes(first)
    refused(Rollback, store.current)
    refused(Rollback, lambda: store.trust(BAKU.public))
    path.write_bytes(first.replace(b'"version":1', b'"version":2'))
    refused(Rollback, store.current)
    path.write_bytes(first.replace(b'"version":1', b'"version":3'))
    refused(Rollback, store.current)  # the revocation is gone


def test_folder_emptied(store: TrustStore) -> None:
    """Nothing at all is older than everything."""
    import shutil

    store.trust(OSLO.public)
    shutil.rmtree(store.folder)
    refused(Rollback, store.current)
    refused(Rollback, lambda: store.trust(OSLO.public))
    refused(Rollback, lambda: TrustStore(store.folder, at_least=1).current())


def test_adopt(store: TrustStore) -> None:
    """A newer list is taken over whole, an older one not at all."""
    store.trust(OSLO.public)
    newer = TrustList.of(5, [entry(OSLO), entry(LIMA)])
    store.adopt(TrustList.from_bytes(newer.to_bytes()))
    assert store.current() == newer
    store.adopt(newer)
    for bad in (TrustList.of(4, newer.listed), TrustList.of(5, [entry(OSLO)])):
        refused(Rollback, lambda: store.adopt(bad))
    assert TrustStore(store.folder).current() == newer
    assert len(list((store.folder / "keys").iterdir())) == 2


def test_list_as_bytes() -> None:
    """Round trip, and no key twice."""
    listed = trusted().revoking(OSLO.key_id, 3)
    assert TrustList.from_bytes(listed.to_bytes()) == listed
    fields = json.loads(listed.to_bytes())
    fields["entries"].append(fields["entries"][0])
    refused(SchemaError, lambda: TrustList.from_bytes(json.dumps(fields).encode()))
    refused(SchemaError, lambda: TrustList.from_bytes(listed.to_bytes(), Limits(keys=3)))


def test_too_many_keys(tmp_path: Path) -> None:
    """The limit is noticed by whoever adds the key, not by whoever reads the list."""
    store = TrustStore(tmp_path / "t", limits=Limits(keys=1))
    store.trust(OSLO.public)
    refused(TooLarge, lambda: store.trust(BAKU.public))
    assert store.version == 1


# -- several at once --------------------------------------------------------------------------------------------------


def test_threads(store: TrustStore) -> None:
    """No change is lost, and a reader sees versions only grow."""
    people = [Identity.generate(f"place-{number}", "place") for number in range(12)]
    problems: list[BaseException] = []
    done = threading.Event()

    def write(some: list[Identity], shared: TrustStore) -> None:
        try:
            for one in some:
                shared.trust(one.public)
        except BaseException as error:
            problems.append(error)

    def read() -> None:
        try:
            reader, last = TrustStore(store.folder), 0
            while not done.is_set():
                version = reader.version
                assert version >= last and len(reader.current().entries) >= version
                last = version
        except BaseException as error:
            problems.append(error)

    writers = [
        threading.Thread(target=write, args=(people[number::3], store if number else TrustStore(store.folder)))
        for number in range(3)
    ]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert problems == []
    assert store.version == len(store.current().entries) == 12


def test_a_reader_whom_the_first_writer_overtakes(store: TrustStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has seen no index, and then sees a key: that is no damage if there is an index by now."""
    reader = TrustStore(store.folder)

    def overtaken(path: Path, most: int) -> tuple[bytes, os.stat_result]:
        monkeypatch.undo()
        with pytest.raises(FileNotFoundError):
            read_capped(path, most)
        store.trust(OSLO.public)
        raise FileNotFoundError(path)

    monkeypatch.setattr("mobility.trust.store.read_capped", overtaken)
    assert reader.version == 1 and OSLO.key_id in reader.current().entries


FORKING = """
import os, sys
from mobility.trust.keys import Identity
from mobility.trust.store import TrustStore
folder, mode = sys.argv[1:]
"""

WRITERS = (
    FORKING
    + """
people = [Identity.generate(f"place-{n}", "place") for n in range(12)]
children = []
for number in range(4):
    child = os.fork()
    if not child:
        store = TrustStore(folder)
        for one in people[number::4]:
            store.trust(one.public)
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
print(TrustStore(folder).version, len(TrustStore(folder).current().entries))
"""
)

# The process dies, as by kill -9, before the n-th call that changes the disk, for every n until there are no more.
CRASHES = (
    FORKING
    + """
import shutil
first, second = (Identity.generate(name, "place") for name in ("first", "second"))
def change(store):
    if mode == "asked": store.current()
    if mode in ("first", "asked"): store.trust(first.public)
    if mode == "add": store.trust(second.public)
    if mode == "revoke": store.revoke(first.key_id)
survived = []
for number in range(100):
    shutil.rmtree(folder, ignore_errors=True)
    if mode not in ("first", "asked"):
        TrustStore(folder).trust(first.public)
    before = TrustStore(folder).current()
    child = os.fork()
    if not child:
        left = number
        def dying(call):
            def wrapped(*args, **kwargs):
                global left
                if left == 0: os._exit(9)
                left -= 1
                return call(*args, **kwargs)
            return wrapped
        for name in ("mkdir", "open", "fsync", "replace", "unlink", "fchmod"):
            setattr(os, name, dying(getattr(os, name)))
        change(TrustStore(folder))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    after = TrustStore(folder)
    now = after.current()
    assert now == before or now.version == before.version + 1, (number, now)
    survived.append(now.version - before.version)
    if now == before:
        change(after)                                   # and it can be done again
    assert after.version == before.version + 1
    after.trust(Identity.generate("third", "place").public)
    assert len(list(after.folder.joinpath("keys").iterdir())) == len(after.current().entries)
    if code == 0:
        break
else:
    raise AssertionError("it never ended")
print(number, survived == sorted(survived), 0 in survived, 1 in survived[:-1])
"""
)


def run(script: str, folder: Path, mode: str = "-") -> str:
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(folder), mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_processes(tmp_path: Path) -> None:
    """The lock holds among processes: no change is lost."""
    assert run(WRITERS, tmp_path / "t").split() == ["12", "12"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("mode", ["first", "asked", "add", "revoke"])
def test_crash_at_every_step(tmp_path: Path, mode: str) -> None:
    """A write that is interrupted has happened or has not; the next one works and tidies up."""
    steps, ordered, lost, kept = run(CRASHES, tmp_path / "t", mode).split()
    assert int(steps) > 8
    assert (ordered, lost, kept) == ("True", "True", "True")
