"""``sojourn inspect`` on bundles of children, and of units with luggage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mobility.bundle import Birth, Branch, Bundle, pack, unpack
from mobility.trust import Envelope, TrustStore
from tests.agents.cli import units
from tests.agents.cli.conftest import BAKU, LIMA, OSLO, OWNER, World, altered, flipped
from tests.agents.cli.running import data, invoke


def told(world: World, path: Path) -> Any:
    return data(invoke("inspect", path, "--home", world.home, "--format", "json"))


def text(world: World, path: Path) -> str:
    result = invoke("inspect", path, "--home", world.home)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def child(world: World) -> Path:
    """Born at baku, cloned there to oslo, and on from there to lima."""
    store = TrustStore(world.home / "trust")
    bundle = pack(units.counting([1, 2, 3]), by=OWNER, birth=Birth(agent="first", home="baku"))
    branch: Branch | None = Branch(child="second")
    for here, there in ((BAKU, "oslo"), (OSLO, "lima")):
        verified = bundle.verify(store, audience=here.name)
        unit = unpack(verified)
        next(unit)
        bundle = pack(unit, by=here, passport=verified.passport, to=there, branch=branch)
        branch = None
    return world.file(bundle)


def test_the_chain_of_a_child(world: World) -> None:
    """The branch is shown as one, and what follows continues it under the child's id."""
    path = child(world)
    report = told(world, path)
    assert report["verified"] is True and report["manifest"]["agent"] == "second"
    assert report["certificate"]["agent"] == "first"
    assert [
        (link["what"], link["name"], link["to"], link["signature"], link["continues"])
        for link in report["chain"]["links"]
    ] == [
        ("birth", "survey-lab", "baku", "verified", True),
        ("branch to second", "baku", "oslo", "verified", True),
        ("hop", "oslo", "lima", "verified", True),
    ]
    page = text(world, path)
    assert "baku -> oslo, branch to second" in page and "NOT VERIFIED" not in page


def test_a_hop_of_the_parent_behind_the_branch_does_not_continue(world: World) -> None:
    path = child(world)
    passport = Bundle.read(path).passport
    last = passport.hops[-1]
    body = last.body.replace(b'"agent":"second"', b'"agent":"first"')
    assert body != last.body
    forged = replace(passport, hops=(passport.hops[0], Envelope.sign(last.payload_type, body, OSLO)))
    report = told(world, altered(path, passport=forged))
    assert report["verified"] is False and report["refusal"]["error"] == "broken-chain"
    assert [link["continues"] for link in report["chain"]["links"]] == [True, True, False]


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_luggage_is_listed_and_not_shown(world: World, sealed: bool) -> None:
    """It is the platform's own: its size and digest are told, and its bytes are not looked at."""
    key = TrustStore(world.home / "trust").current().lookup(LIMA.key_id, "place", 2_000_000_000, 0)
    luggage = b"three letters that wait"
    seal = {"seal_to": key} if sealed else {}
    path = world.suspended(units.counting, [1], luggage=luggage, **seal)
    report = told(world, path)
    assert report["verified"] is True and report["segments"][-1]["bytes"] == len(luggage)
    assert (report["segments"][-1]["kind"], report["segments"][-1]["mark"]) == (
        "luggage",
        "sealed" if sealed else "verified",
    )
    page = text(world, path)
    assert "luggage" in page and "three letters" not in page
    assert (report["locals"]["problem"] is None) is not sealed
    if not sealed:
        report = told(world, flipped(path, 1))
        assert (report["segments"][-1]["mark"], report["segments"][-2]["mark"]) == ("altered", "verified")
