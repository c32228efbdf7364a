"""A run's side of the roster: who comes late is not in the sum, who dies may come back, and it invents nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from federated.apperrors import NodeUnreachable
from federated.assembling import RosterAssembly
from federated.errors import FederatedError
from federated.messages import pack_message, read_answer, read_request
from mobility.plain import PlainLimits
from mobility.trust.envelope import Envelope
from tests.federated.test_seating import APP, NAMES, Rounds, Server, masked

VISIT = (7, "data", APP, "ada")
LIMITS = PlainLimits()


class Run:
    """A run over the nodes of a `Server`, some of which are down or have forgotten it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.down: set[str] = set()
        self.forgetful: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.assembly = RosterAssembly(7, APP, "data", self.ask, self.admit)

    def ask(self, name: str, request: bytes, seconds: float) -> Mapping[str, Any]:
        read = read_request(request, LIMITS)
        self.asked.append((name, read["do"]))
        if name in self.down:
            raise NodeUnreachable(name, "it is down")
        if name in self.forgetful:
            return {"do": "unknown"}
        try:
            answer = self.server.nodes[name].answer(VISIT, self.server.dataset, read)
        except FederatedError as error:
            answer = pack_message("refused", why=getattr(error, "why", error.slug), reason=error.reason)
        return read_answer(answer, name, LIMITS)

    def admit(self, name: str) -> bool:
        if name in self.down:
            return False
        self.forgetful.discard(name)
        return not self.arrive(name)

    def arrive(self, name: str) -> str:
        answer = pack_message("admitted", dataset="data", **self.server.nodes[name].offer(VISIT, self.server.dataset))
        return self.assembly.admitted(name, read_answer(answer, name, LIMITS))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    server = Server(tmp_path, *NAMES)
    yield Run(server)
    server.close()


def closed(run: Run, *names: str) -> dict[str, str]:
    assert [run.arrive(name) for name in names] == [""] * len(names)
    return run.assembly.close(names)


def test_all_who_came_stand_on_it_and_answer(run: Run) -> None:
    """It knows how many they demand."""
    assert run.assembly.needed == 0
    assert closed(run, *NAMES) == {}
    assert run.assembly.needed == 3
    for name in NAMES:
        run.server.message(name)


def test_a_node_that_joins_late_is_refused(run: Run) -> None:
    """Those on the roster do not have it in their sum."""
    closed(run, *NAMES[:3])
    assert run.arrive("cairo").startswith("not-on-roster")
    assert run.server.refusal(lambda: run.server.message("cairo")) == "no-roster"


def test_one_that_dies_stays_on_it_and_may_come_back(run: Run) -> None:
    """It was down when the endorsements were collected, and gets them when it answers again."""
    assert [run.arrive(name) for name in NAMES] == [""] * 4
    run.down.add("cairo")
    assert list(run.assembly.close(NAMES)) == ["cairo"]
    for name in NAMES[:3]:
        run.server.message(name)
    run.down.clear()
    assert run.arrive("cairo") == ""
    run.server.message("cairo")


def test_one_that_was_started_again_goes_on(run: Run) -> None:
    """Also when it is in the middle of being told: it says that it does not know the run, and is told of it anew."""
    assert [run.arrive(name) for name in NAMES] == [""] * 4
    run.forgetful.add("lima")
    assert run.assembly.close(NAMES) == {}
    run.server.nodes["lima"].close()
    run.server.nodes["lima"] = run.server.made("lima")
    assert run.arrive("lima") == ""
    run.server.message("lima")


def test_one_that_always_forgets_holds_nobody_up(run: Run) -> None:
    """It is told twice, and no more."""
    assert [run.arrive(name) for name in NAMES] == [""] * 4

    def admit(name: str) -> bool:
        return not run.arrive(name)

    run.assembly._admit = admit
    run.forgetful.add("lima")
    assert list(run.assembly.close(NAMES)) == ["lima"]
    assert run.asked.count(("lima", "roster")) <= 3


def test_a_run_that_is_resumed_takes_the_roster_that_its_nodes_have(run: Run) -> None:
    """Although one of those on it is down now, and another one would like to come."""
    closed(run, *NAMES[:3])
    roster = run.server.nodes["oslo"].offer(VISIT, run.server.dataset)["roster"]
    again = Run(run.server)
    again.server.nodes["oslo"].close()
    again.server.nodes["oslo"] = again.server.made("oslo")
    assert list(closed(again, *NAMES)) == ["cairo"]
    assert run.server.nodes["oslo"].offer(VISIT, run.server.dataset)["roster"] == roster
    run.server.message("oslo")


def test_what_nodes_refuse_is_told_with_its_reason(run: Run) -> None:
    """By the node that has refused."""
    refused = closed(run, *NAMES[:2])
    assert set(refused) == {"oslo", "lima"}
    assert all(why.startswith("too-few") for why in refused.values())


def test_nobody_demands_a_roster(run: Run) -> None:
    """Nothing more is asked then."""
    assert run.assembly.admitted("oslo", {"do": "admitted", "dataset": "data"}) == ""
    assert run.assembly.close(["oslo"]) == {} and run.asked == []
    run.assembly.prepare("oslo", masked("oslo", "share_keys"), {})
    assert run.asked == []


def test_each_statement_is_fetched_once_a_round() -> None:
    """However many nodes need it."""
    server = Rounds()
    run = Run(server)
    closed(run, *server.nodes)
    names = dict(zip(server.numbers(*server.nodes), server.nodes, strict=True))
    server.set_up()
    for name in server.nodes:
        message = masked(name, "share_keys", **server.keys())
        run.assembly.prepare(name, message, names)
        server.step(name, message)
    assert run.asked.count(("oslo", "vouch")) == 1
    run.down.add("baku")
    with pytest.raises(NodeUnreachable):
        run.assembly.prepare("baku", masked("baku", "share_keys", **server.keys()), names)
    server.close()


def test_a_seat_that_is_none_spoils_only_its_own_node(run: Run) -> None:
    """What a node gives for one is read where it comes in."""
    answer = {"do": "admitted", "dataset": "data", "least": 1, "seat": b"junk", "roster": b""}
    assert run.assembly.admitted("cairo", answer).startswith("bad-envelope")
    assert closed(run, *NAMES[:3]) == {}
    assert Envelope.from_bytes(run.server.nodes["oslo"].offer(VISIT, run.server.dataset)["seat"])
