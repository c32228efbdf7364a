"""From a message to its release: judged, run, clipped, spent, written down, sent; and killed at each step of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federated.accounting import Allowance
from federated.audit import AuditLog, verify_audit
from federated.custody import Custodian
from federated.errors import AlreadyReleased, AuditCorrupt, AuditUnusable, LedgerCorrupt
from federated.ledgerrows import RowKind
from federated.noise import Noise
from federated.policy import AppRequest, NoiseRule, ReleasePolicy
from federated.releasing import released
from mobility.plain import decode
from mobility.trust.keys import Identity, Role
from tests.federated.entropy import entropy

ROOT = Path(__file__).parents[2]
SIGNER, APP = "a" * 64, "c" * 64
OSLO = Identity.generate("oslo", Role.PLACE)
TRAIN = AppRequest(APP, (SIGNER,), "train")
WARD = ReleasePolicy(
    dataset="ward",
    signers=(SIGNER,),
    messages=("train", "evaluate"),
    keys=("arrays.*", "metrics.loss"),
    exact=("metrics.loss",),
    clip_norm=1.0,
    noise=NoiseRule(multiplier=20.0),
    allowance=Allowance(rounds=3, epsilon=0.8, delta=1e-5),
)
SENT = {"arrays": {"w": np.zeros(4)}}
REPLY: dict[str, Any] = {"arrays": {"w": np.ones(4)}, "metrics": {"loss": 0.5}}


class Owner:
    """A custodian with its files."""

    def __init__(self, folder: Path) -> None:
        self.audit_path = folder / "audit.log"
        self.custodian = Custodian.open(folder, OSLO, {"ward": WARD}, noise=Noise(entropy()))
        self.ledger, self.audit = self.custodian.ledger, self.custodian.audit
        self.left: list[bytes] = []

    def release(self, message: str, reply: Any = REPLY, request: AppRequest = TRAIN, run: str = "r") -> Any:
        return self.custodian.release("ward", run, message, request, reply, SENT, self.left.append)

    def story(self) -> list[str]:
        report = verify_audit(self.audit_path, place=OSLO.public)
        assert report.sound
        return [entry.kind.value for entry in report.entries[1:]]


@pytest.fixture
def owner(tmp_path: Path) -> Any:
    made = Owner(tmp_path)
    yield made
    made.custodian.close()


def test_a_message_from_its_admission_to_its_release(owner: Owner) -> None:
    """What leaves is what the policy made of it; spent, and written down with its digest and cost."""
    custodian = owner.custodian
    assert custodian.admit("ward", APP, (SIGNER,)).allowed
    assert custodian.judge("ward", "r", "m1", TRAIN).allowed
    custodian.ran("ward", "r", "m1", TRAIN, "answered", 0.25)
    departed = owner.release("m1")
    assert departed.released.ruling.allowed and departed.head.is_signed_by(OSLO.public)
    expected = released(WARD, REPLY, SENT, Noise(entropy())).reply
    assert expected is not None
    (data,) = owner.left
    assert np.array_equal(decode(data)["arrays"]["w"], expected["arrays"]["w"])
    assert not np.array_equal(expected["arrays"]["w"], REPLY["arrays"]["w"])
    spent = owner.ledger.spent("ward", "r", "train")
    assert (spent.rounds, spent.cost) == (1, WARD.update_cost)
    assert [row.kind for row in owner.ledger.rows()][1:] == [RowKind.RESERVED, RowKind.COMMITTED]
    assert owner.story() == ["admitted", "executed", "released"]
    row = verify_audit(owner.audit_path, heads=[departed.head]).rows()[-1]
    assert row["bytes"] == len(data) and row["ledger"] == 2 and row["policy"] == WARD.digest
    assert float(row["rho"]) == WARD.update_cost.rho and row["message"] == "m1" and row["app"] == APP


def test_what_is_refused_is_written_down_and_does_not_leave(owner: Owner) -> None:
    """At each station, with its rules and without the words that the app has chosen."""
    custodian = owner.custodian
    assert not custodian.admit("ward", APP, ()).allowed
    assert not custodian.admit("lab", APP, (SIGNER,)).allowed
    assert not custodian.judge("ward", "r", "m", AppRequest(APP, (SIGNER,), "query")).allowed
    assert not custodian.judge("lab", "r", "m", TRAIN).allowed
    assert not owner.release("m", {"patient 7 has": {"the flu": 1}}).released.ruling.allowed
    assert not owner.release("m", request=AppRequest(APP, (), "train")).released.ruling.allowed
    assert owner.left == [] and owner.ledger.head.number == 1
    assert owner.story() == ["refused"] * 4 + ["withheld"] * 2
    assert b"flu" not in owner.audit_path.read_bytes()
    rows = verify_audit(owner.audit_path).rows()
    assert [row["rules"] for row in rows[1:]] == [["admission"]] * 2 + [
        ["message"],
        ["admission"],
        ["key"],
        ["admission"],
    ]


def test_the_epsilon_ends_in_the_middle_of_a_run(owner: Owner) -> None:
    """The next message is not begun, and the reply to one that was begun is withheld; another run has no more."""
    outcomes = []
    for number in range(3):
        outcomes.append(owner.release(f"m{number}").released.ruling)
    assert [ruling.allowed for ruling in outcomes] == [True, True, True]
    fourth = owner.release("m3").released
    assert fourth.reply is None and [one.rule.value for one in fourth.ruling.objections] == ["rounds"]
    allowed = 3
    for number in range(20):
        result = owner.release(f"n{number}", run=f"other {number}").released
        if result.ruling.allowed:
            allowed += 1
            continue
        assert [one.rule.value for one in result.ruling.objections] == ["epsilon"]
        assert [one.rule.value for one in owner.custodian.judge("ward", "new", "m", TRAIN).objections] == ["epsilon"]
        break
    assert 3 < allowed < 20 and len(owner.left) == allowed
    assert WARD.allowance.rho is not None
    assert owner.ledger.spent("ward").cost.rho <= WARD.allowance.rho


def test_a_message_that_is_answered_twice_is_answered_once(owner: Owner) -> None:
    """Fresh noise for the same question would average out."""
    owner.release("m")
    with pytest.raises(AlreadyReleased):
        owner.release("m")
    assert len(owner.left) == 1


def test_two_threads_with_the_same_message(owner: Owner) -> None:
    """The second one comes while the first one's answer is leaving."""

    def send(data: bytes) -> None:
        owner.left.append(data)
        with pytest.raises(AlreadyReleased):
            owner.release("m")

    owner.custodian.release("ward", "r", "m", TRAIN, REPLY, SENT, send)
    assert len(owner.left) == 1 and owner.ledger.spent("ward", "r", "train").rounds == 1


def test_a_reply_that_could_not_be_sent_is_spent(owner: Owner) -> None:
    """Nobody knows how much of it was seen; the next attempt is another release."""

    def broken(data: bytes) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        owner.custodian.release("ward", "r", "m", TRAIN, REPLY, SENT, broken)
    assert owner.ledger.spent("ward", "r", "train").rounds == 1
    assert not owner.ledger.has_released("ward", "r", "m")
    owner.release("m")
    assert owner.ledger.spent("ward", "r", "train").rounds == 2


def test_without_an_audit_nothing_leaves(owner: Owner) -> None:
    """A full disk, or a log that was closed."""
    owner.audit.close()
    with pytest.raises(AuditUnusable):
        owner.release("m")
    assert owner.left == []


# -- the two files against each other ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three releases, the first of them also in a copy of the folder."""
    made = Owner(tmp_path / "place")
    made.release("m0")
    made.custodian.close()
    shutil.copytree(tmp_path / "place", tmp_path / "copy")
    made = Owner(tmp_path / "place")
    made.release("m1")
    made.release("m2")
    made.custodian.close()
    return tmp_path / "place"


def restore(folder: Path, *names: str) -> None:
    for name in names:
        shutil.copy(folder.parent / "copy" / name, folder / name)


def test_a_ledger_of_before_does_not_fit_the_log(folder: Path) -> None:
    """Though its mark was put back with it: the log knows a later row."""
    restore(folder, "ledger.sqlite", "ledger.sqlite.mark")
    with pytest.raises(LedgerCorrupt, match="ends with row 3, and row 6 was written once"):
        Owner(folder)
    for name in ("ledger.sqlite", "ledger.sqlite.mark"):
        (folder / name).unlink()
    with pytest.raises(LedgerCorrupt, match="missing or empty"):
        Owner(folder)


def test_a_log_of_before_does_not_fit_the_ledger(folder: Path) -> None:
    """Cut at a line, or removed: the ledger has committed what the log does not name."""
    restore(folder, "audit.log")
    with pytest.raises(AuditCorrupt, match="lacks the release that is row 4 of the ledger"):
        Owner(folder)
    (folder / "audit.log").unlink()
    with pytest.raises(AuditCorrupt, match="lacks the release that is row 2 of the ledger"):
        Owner(folder)


def test_the_owner_may_go_on_and_both_files_say_so(folder: Path) -> None:
    """From then on they have to agree again."""
    restore(folder, "ledger.sqlite", "ledger.sqlite.mark")
    Custodian.open(folder, OSLO, {"ward": WARD}, accept="the disk was lost").close()
    owner = Owner(folder)
    assert owner.ledger.spent("ward").cost == WARD.update_cost  # of m0: the rest is forgotten, and that is written down
    owner.release("m3")
    owner.custodian.close()
    rows = verify_audit(folder / "audit.log").rows()
    assert [row["reason"] for row in rows if row["kind"] == "accepted"] == ["the disk was lost"]
    Owner(folder).custodian.close()
    lines = (folder / "audit.log").read_bytes().splitlines(keepends=True)
    (folder / "audit.log").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(AuditCorrupt, match="lacks the release"):
        Owner(folder)


def test_both_of_one_moment_show_by_a_head_alone(folder: Path) -> None:
    """What is said in the module's text."""
    with AuditLog(folder / "audit.log", OSLO) as log:
        head = log.head
    restore(folder, "audit.log", "ledger.sqlite", "ledger.sqlite.mark")
    Owner(folder).custodian.close()
    assert verify_audit(folder / "audit.log", heads=[head]).problems == (
        "entry 3 was written, and the log ends with 1",
    )


# -- kill -9 -----------------------------------------------------------------------------------------------------------


def test_killed_at_each_step(tmp_path: Path) -> None:
    """What has left is spent, and is in the audit; `custody_under_fire` says more."""
    OSLO.save(tmp_path / "key")
    command = [sys.executable, "-W", "error", "-m", "tests.federated.custody_under_fire", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 30
