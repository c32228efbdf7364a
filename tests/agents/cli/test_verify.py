"""``sojourn verify``: every check has a line, and a refusal is 3."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mobility.bundle import Birth, Bundle
from mobility.trust import TrustStore
from tests.agents.cli import units
from tests.agents.cli.conftest import LIMA, OWNER, STRANGER, World, altered, flipped
from tests.agents.cli.running import controls, failure, invoke, sojourn

GROUPS = ["form", "signatures and chain", "address and epoch", "contents"]


def verified(world: World, path: Path, *options: object) -> dict[str, str]:
    """The checks of a bundle that is accepted, by name."""
    result = invoke("verify", path, "--home", world.home, "--format", "json", *options)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    report = json.loads(result.stdout)
    assert report["verified"] is True
    assert all(check["passed"] is True for check in report["checks"])
    return {check["check"]: check["detail"] for check in report["checks"]}


def refused(world: World, path: Path, slug: str, group: str, *options: object, home: Path | None = None) -> None:
    """The group of checks that failed is named, those before it passed, those after it were not made."""
    result = invoke("verify", path, "--home", home or world.home, "--format", "json", *options)
    failure(result, 3, slug)
    report = json.loads(result.stdout)
    assert report["verified"] is False
    failed = [check for check in report["checks"] if check["passed"] is False]
    assert [(check["check"], check["detail"]) for check in failed] == [(group, slug)]
    assert [check["check"] for check in report["checks"] if check["passed"] is None] == GROUPS[
        GROUPS.index(group) + 1 :
    ]
    page = invoke("verify", path, "--home", home or world.home, *options)
    assert page.exit_code == 3 and f"REFUSED {group}" in page.stdout and f"({slug})" in page.stderr
    assert controls(page.output) == set() and "is verified" not in page.stdout


def test_a_good_bundle(world: World) -> None:
    """A line for each check, and what it found."""
    path = world.travelled(units.counting, [1, 2, 3])
    checks = verified(world, path, "--as", "lima", "--at-least", "2")
    assert list(checks) == [
        "form", "signatures", "owner", "sender", "chain", "address", "epoch", "manifest", "code", "segments", "digests",
    ]  # fmt: skip
    assert checks["chain"].endswith("baku -> oslo -> lima")
    assert "survey-lab" in checks["owner"] and "place:oslo" in checks["sender"]
    page = invoke("verify", path, "--home", world.home, "--as", "lima")
    assert page.exit_code == 0 and page.stdout.count("\nok ") == 10 and "is verified" in page.stdout


def test_one_that_is_addressed_to_nobody(world: World) -> None:
    """Needs no place."""
    assert verified(world, world.suspended(units.counting, [1]))["address"] == "to whoever has it"


def test_an_unknown_signer(world: World) -> None:
    """Nobody who is not trusted gets further than the signatures."""
    path = world.suspended(units.counting, [1])
    refused(world, path, "untrusted-signer", "signatures and chain", home=world.nobody)
    refused(world, world.suspended(units.counting, [1], by=STRANGER), "untrusted-signer", "signatures and chain")


def test_a_revoked_signer(world: World) -> None:
    """From the epoch on."""
    path = world.travelled(units.counting, [1, 2, 3])
    TrustStore(world.home / "trust").revoke(OWNER.key_id, 3)
    verified(world, path, "--as", "lima")
    TrustStore(world.home / "trust").revoke(OWNER.key_id, 2)
    refused(world, path, "revoked", "signatures and chain", "--as", "lima")


def test_another_address(world: World) -> None:
    """Whoever it is not for does not take it, nor does one that says nothing of itself."""
    path = world.travelled(units.counting, [1, 2, 3])
    refused(world, path, "wrong-audience", "address and epoch", "--as", "oslo")
    refused(world, path, "wrong-audience", "address and epoch")
    refused(
        world, world.suspended(units.counting, [1], birth=Birth(home="baku")), "wrong-audience", "address and epoch"
    )


def test_an_old_epoch(world: World) -> None:
    """`--at-least` is the epoch itself that will do."""
    path = world.travelled(units.counting, [1, 2, 3])
    for least in ("0", "1", "2"):
        verified(world, path, "--as", "lima", "--at-least", least)
    refused(world, path, "stale-epoch", "address and epoch", "--as", "lima", "--at-least", "3")
    born = world.suspended(units.counting, [1])
    verified(world, born, "--at-least", "0")
    refused(world, born, "stale-epoch", "address and epoch", "--at-least", "1")


def test_altered_contents(world: World) -> None:
    """Manifest and segments; one bit is enough."""
    path = world.suspended(units.counting, [1])
    manifest = Bundle.read(path).manifest.replace(b'"python":"3.', b'"python":"4.')
    refused(world, altered(path, manifest=manifest), "manifest-mismatch", "contents")
    refused(world, flipped(world.suspended(units.counting, [1]), 1), "segment-mismatch", "contents")


def test_a_file_of_another_form(world: World) -> None:
    """Cut, longer, or something else."""
    whole = world.suspended(units.counting, [1]).read_bytes()
    path = world.folder / "x.sojourn"
    for content in (whole[:-1], whole + b"x", whole[: len(whole) // 2], b"", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        refused(world, path, "bundle-invalid", "form")


def test_a_sealed_bundle(world: World) -> None:
    """Opened with the recipient's key; with none, or another, it is refused."""
    recipient = TrustStore(world.home / "trust").lookup(LIMA.key_id, "place", 2_000_000_000, 0)
    path = world.suspended(units.counting, [1], seal_to=recipient)
    assert "whole and opened" in verified(world, path, "--identity", "lima")["seal"]
    refused(world, path, "sealed-bundle", "contents")
    refused(world, path, "wrong-recipient", "contents", "--identity", "survey-lab")
    result = invoke("verify", path, "--home", world.home, "--identity", "nobody", "--format", "json")
    failure(result, 4, "key-not-found")
    assert result.stdout == ""
    LIMA.save(world.home / "elsewhere.key")
    result = invoke("verify", path, "--home", world.home, "--identity", "../elsewhere", "--format", "json")
    failure(result, 4, "key-not-found")


def test_a_sealed_bundle_for_a_key_with_a_passphrase(world: World, tmp_path: Path) -> None:
    """The passphrase from the environment or a file; a wrong one opens nothing."""
    recipient = TrustStore(world.home / "trust").lookup(LIMA.key_id, "place", 2_000_000_000, 0)
    path = world.suspended(units.counting, [1], seal_to=recipient)
    LIMA.save(world.home / "keys" / "guarded.key", "right")
    (tmp_path / "phrase").write_text("right\n", encoding="utf-8")
    verified(world, path, "--identity", "guarded", "--passphrase-file", tmp_path / "phrase")
    options = ["verify", path, "--home", world.home, "--identity", "guarded", "--format", "json"]
    assert invoke(*options, env={"SOJOURN_PASSPHRASE": "right"}).exit_code == 0
    failure(invoke(*options, env={"SOJOURN_PASSPHRASE": "wrong"}), 1, "wrong-passphrase")
    failure(invoke(*options), 2, "usage")


def test_a_bundle_without_its_code(world: World) -> None:
    """It is for a place that has the code; this command has none."""
    bundle = Bundle.read(world.suspended(units.counting, [1])).without_code()
    result = invoke("verify", world.file(bundle), "--home", world.home, "--format", "json")
    failure(result, 4, "code-missing")


def test_files_that_are_not_there(world: World) -> None:
    """Not found is 4, and no refusal."""
    result = invoke("verify", world.folder / "none.sojourn", "--home", world.home, "--format", "json")
    failure(result, 4, "file-not-found")
    assert result.stdout == ""


def test_nothing_is_decoded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifying proves origin; it runs nothing."""
    path = world.suspended(units.counting, [1])

    def noticed(*_: Any, **__: Any) -> Any:
        raise AssertionError("the state was decoded")

    for name in ("loads", "load", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, noticed)
    verified(world, path)


def test_as_a_program(world: World) -> None:
    """In a process of its own: plain lines, and the exit code."""
    path = world.travelled(units.counting, [1, 2, 3])
    good = sojourn("verify", path, "--home", world.home, "--as", "lima")
    assert (good.returncode, good.stderr) == (0, "") and controls(good.stdout) == set()
    bad = sojourn("verify", path, "--home", world.home)
    assert bad.returncode == 3 and "wrong-audience" in bad.stderr and "Traceback" not in bad.stderr
