"""A server's side of the link: who fails, fails alone; who is late, is dropped; who waits, waits for a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from federated.apperrors import NodeUnreachable, TooFewNodes
from federated.grid import GridExchange
from federated.messages import FailureCode, error_reply, node_number, pack_message, read_request
from mobility.plain import PlainLimits, decode

LIMITS = PlainLimits()
Behaviour = Callable[[dict[str, Any]], bytes]


def echo(request: dict[str, Any]) -> bytes:
    """A node that admits, and answers with what it was sent."""
    if request["do"] == "admit":
        return pack_message("admitted", dataset="data")
    if request["do"] == "end":
        return pack_message("ended")
    reply = error_reply(request["message"], FailureCode.UNKNOWN, "")
    del reply["error"]
    return pack_message("reply", message={**reply, "content": request["message"]["content"]})


class Link:
    """Nodes that behave as they are told."""

    def __init__(self, **nodes: Behaviour) -> None:
        self.behaviours = dict(nodes)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.raw: list[bytes] = []

    def nodes(self) -> Sequence[str]:
        return list(self.behaviours)

    def ask(self, node: str, request: bytes, timeout: float) -> bytes:
        read = read_request(request, LIMITS)
        self.requests.append((node, read))
        self.raw.append(request)
        return self.behaviours[node](read)

    def asked(self, node: str, do: str = "message") -> int:
        return sum(1 for name, request in self.requests if name == node and request["do"] == do)


def on_message(behave: Behaviour) -> Behaviour:
    return lambda request: behave(request) if request["do"] == "message" else echo(request)


def exchange(link: Link, **options: Any) -> GridExchange:
    return GridExchange(link, 7, bundle=b"app", app="d" * 64, settings={}, **options)


def begun(link: Link, **options: Any) -> GridExchange:
    made = exchange(link, **options)
    made.begin()
    return made


def message(node: str, name: str, *, ttl: float = 60.0) -> dict[str, Any]:
    return {
        "type": "train",
        "group": "1",
        "ttl": ttl,
        "id": name,
        "reply_to": "",
        "run": 7,
        "from": 1,
        "to": node_number(node),
        "content": [["configs", "config", {"name": name}]],
    }


def down(_: dict[str, Any]) -> bytes:
    raise NodeUnreachable("b", "it is down")


def refusing(_: dict[str, Any]) -> bytes:
    return pack_message("refused", why="app-not-admitted", reason="not here")


# -- who takes part


def test_nodes_that_did_not_admit_the_app_are_not_there() -> None:
    """Neither those that refuse, nor those that are down, nor those that answer nonsense."""
    link = Link(a=echo, b=refusing, c=down, d=lambda _: b"nonsense", e=echo)
    made = begun(link)
    assert made.nodes(waiting=True) == [node_number("a"), node_number("e")]
    assert made.taking_part == ["a", "e"]
    refused = made.refused
    assert refused["b"] == "app-not-admitted: not here"
    assert refused["c"].startswith("node-unreachable") and "no plain data" in refused["d"]


def test_too_few_admit() -> None:
    """It is told at once when waiting cannot help, and after the deadline when it can; with everybody's reason."""
    began = time.monotonic()
    with pytest.raises(TooFewNodes, match="needs 2") as told:
        begun(Link(a=echo, b=refusing), least=2, patience=30.0)
    assert told.value.taking_part == ("a",) and "not here" in told.value.refused["b"]
    assert time.monotonic() - began < 5
    began = time.monotonic()
    with pytest.raises(TooFewNodes):
        begun(Link(a=echo, b=down), least=2, patience=2.0)
    assert 0.5 < time.monotonic() - began < 10


def test_a_node_that_comes_late_takes_part() -> None:
    """It is asked again as long as it is down, not if it has refused."""
    link = Link(a=echo, b=down, c=refusing)
    threading.Timer(1.2, link.behaviours.update, [{"b": echo}]).start()
    made = begun(link, least=2, patience=20.0)
    assert made.taking_part == ["a", "b"]


def test_who_waits_for_more_nodes_is_stopped() -> None:
    """Flower's strategies ask again each second without end."""
    made = begun(Link(a=echo, b=refusing), patience=1.0)
    with pytest.raises(TooFewNodes, match="more than 1 nodes"):
        while True:
            made.nodes(waiting=True)
            time.sleep(0.1)


def test_who_works_between_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking at the beginning of each round, however long rounds take, is no waiting; nor is another thread's watch."""
    made = begun(Link(a=echo), patience=0.3)
    for number in range(6):
        made.nodes(waiting=True)
        made.push([message("a", f"m{number}")], 5.0)
        made.collect([f"m{number}"], 5.0)
        time.sleep(0.1)
    for _ in range(6):
        made.nodes(waiting=False)
        time.sleep(0.1)


def test_who_asks_now_and_then_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that computes for long between two looks at its nodes does not wait for them."""
    monkeypatch.setattr("federated.grid._POLLING", 0.05)
    made = begun(Link(a=echo), patience=0.2)
    for _ in range(5):
        made.nodes(waiting=True)
        time.sleep(0.1)


# -- messages


def test_replies_come_in_the_order_of_the_messages() -> None:
    """Not in that of their arrival: sums of floating-point numbers depend on it."""

    def slow(seconds: float) -> Behaviour:
        def behave(request: dict[str, Any]) -> bytes:
            time.sleep(seconds)
            return echo(request)

        return on_message(behave)

    made = begun(Link(a=slow(0.4), b=slow(0.2), c=slow(0.0)))
    made.push([message(name, f"m-{name}") for name in "abc"], 5.0)
    replies = made.collect(["m-a", "m-b", "m-c"], 5.0)
    assert [reply["reply_to"] for reply in replies] == ["m-a", "m-b", "m-c"]
    assert [reply["content"][0][2]["name"] for reply in replies] == ["m-a", "m-b", "m-c"]


def test_a_straggler_fails_its_own_reply_and_is_dropped() -> None:
    """The others are there in time, the next round is not held up, and the late answer is nobody's."""
    release = threading.Event()

    def hang(request: dict[str, Any]) -> bytes:
        if request["message"]["id"] == "m-b":
            release.wait(20)
        return echo(request)

    made = begun(Link(a=echo, b=on_message(hang)))
    made.push([message("a", "m-a"), message("b", "m-b")], 0.5)
    began = time.monotonic()
    good, late = made.collect(["m-a", "m-b"], 0.5)
    assert time.monotonic() - began < 3
    assert "content" in good
    assert late["error"][0] == FailureCode.NO_REPLY and "in time" in late["error"][1]
    made.push([message("b", "n-b")], 5.0)
    assert "content" in made.collect(["n-b"], 5.0)[0]
    release.set()
    until = time.monotonic() + 5
    while made.tally.late != 1 and time.monotonic() < until:
        time.sleep(0.02)
    assert made.tally.late == 1
    assert made.pull(["m-b"]) == []


def test_a_dead_node_fails_its_own_reply() -> None:
    """It is no longer there for the next round, until it answers again."""
    link = Link(a=echo, b=echo)
    made = begun(link)
    link.behaviours["b"] = down
    made.push([message("a", "m-a"), message("b", "m-b")], 5.0)
    good, dead = made.collect(["m-a", "m-b"], 5.0)
    assert "content" in good and dead["error"][0] == FailureCode.NODE_UNAVAILABLE
    assert made.nodes(waiting=True) == [node_number("a")]
    link.behaviours["b"] = echo
    time.sleep(1.1)
    assert len(made.nodes(waiting=True)) == 2


@pytest.mark.parametrize("problem", [OSError("broken pipe"), ValueError("?"), MemoryError()])
def test_a_link_that_fails_is_its_nodes_failure(problem: Exception) -> None:
    """Whatever somebody else's transport raises, somebody waits for an outcome."""

    def fail(_: dict[str, Any]) -> bytes:
        raise problem

    made = begun(Link(a=echo, b=on_message(fail)))
    made.push([message("b", "m")], 5.0)
    assert "error" in made.collect(["m"], 5.0)[0]


def test_a_node_that_was_started_again_is_given_the_app_again() -> None:
    """It says that it does not know the run; the message is then done as if nothing had been."""
    link = Link(a=echo)
    made = begun(link)
    known = [False]

    def forgetful(request: dict[str, Any]) -> bytes:
        if request["do"] == "admit":
            known[0] = True
        elif request["do"] == "message" and not known[0]:
            return pack_message("unknown")
        return echo(request)

    link.behaviours["a"] = forgetful
    made.push([message("a", "m")], 5.0)
    assert "content" in made.collect(["m"], 5.0)[0]
    assert link.asked("a", "admit") == 2 and link.asked("a") == 2


def test_a_node_that_always_forgets_or_has_changed_its_mind() -> None:
    """Twice is enough; and who does not let the app in again, fails."""
    link = Link(a=on_message(lambda _: pack_message("unknown")))
    made = begun(link)
    made.push([message("a", "m")], 5.0)
    assert made.collect(["m"], 5.0)[0]["error"][0] == FailureCode.INVALID_APP
    link.behaviours["a"] = lambda request: refusing(request) if request["do"] == "admit" else pack_message("unknown")
    made.push([message("a", "n")], 5.0)
    assert "not here" in made.collect(["n"], 5.0)[0]["error"][1]
    assert made.nodes(waiting=True) == []


@pytest.mark.parametrize("field", ["reply_to", "run", "from", "to", "type"])
def test_a_node_speaks_for_itself_alone(field: str) -> None:
    """An answer in another's name, or to another question, is no answer."""

    def lie(request: dict[str, Any]) -> bytes:
        reply = decode(echo(request))["message"]
        reply[field] = "evaluate" if field in {"type", "reply_to"} else 99
        return pack_message("reply", message=reply)

    made = begun(Link(a=on_message(lie)))
    made.push([message("a", "m")], 5.0)
    assert "something else" in made.collect(["m"], 5.0)[0]["error"][1]


def test_the_time_to_live_bounds_a_message_that_nobody_waits_for() -> None:
    """Who pulls gets nothing before, and an error afterwards; each once."""
    made = begun(Link(a=on_message(lambda request: time.sleep(1.5) or echo(request))))  # type: ignore[func-returns-value] # wait, then answer
    made.push([message("a", "m", ttl=0.5)], None)
    assert made.pull(["m"]) == []
    time.sleep(0.7)
    (reply,) = made.pull(["m"])
    assert reply["error"][0] == FailureCode.NO_REPLY
    assert made.pull(["m"]) == []


def test_messages_to_nobody_are_the_apps_mistake() -> None:
    """It learns it where it sends."""
    made = begun(Link(a=echo))
    with pytest.raises(ValueError, match="no node"):
        made.push([message("zoe", "m")], 5.0)
    with pytest.raises(ValueError, match="fields"):
        made.push([{"id": "m"}], 5.0)
    made.push([message("a", "m")], 5.0)
    with pytest.raises(ValueError, match="used id"):
        made.push([message("a", "m")], 5.0)


def test_two_nodes_of_one_name() -> None:
    """Their replies could not be told apart."""

    class Twins(Link):
        def nodes(self) -> Sequence[str]:
            return ["a", "a"]

    with pytest.raises(ValueError, match="same name"):
        exchange(Twins(a=echo))


# -- the journal


class Entry:
    """Requests that went out together."""

    def __init__(self, requests: list[tuple[str, bytes]]) -> None:
        self.requests = requests
        self.answers: dict[int, bytes] = {}

    @property
    def to_ask(self) -> tuple[int, ...]:
        return tuple(index for index in range(len(self.requests)) if index not in self.answers)

    def reply(self, index: int) -> bytes | None:
        return self.answers.get(index)

    def answer(self, index: int, reply: bytes) -> bool:
        assert index not in self.answers, "answered twice"
        self.answers[index] = reply
        return True


class Memory:
    """A journal in memory; `again` begins it anew, as a server does that was started again."""

    def __init__(self) -> None:
        self.events: list[Entry | tuple[str, bytes]] = []
        self.next = 0

    def again(self) -> Memory:
        self.next = 0
        return self

    def exchange(self, requests: Sequence[tuple[str, bytes]]) -> Entry:
        if self.next == len(self.events):
            self.events.append(Entry(list(requests)))
        event = self.events[self.next]
        assert isinstance(event, Entry) and event.requests == list(requests), "something else than then"
        self.next += 1
        return event

    def remember(self, name: str, make: Callable[[], bytes]) -> bytes:
        if self.next == len(self.events):
            self.events.append((name, make()))
        event = self.events[self.next]
        assert isinstance(event, tuple) and event[0] == name, "something else than then"
        self.next += 1
        return event[1]

    @property
    def answered(self) -> int:
        return sum(len(event.answers) for event in self.events if isinstance(event, Entry))


def test_what_was_answered_is_not_asked_again() -> None:
    """Errors are outcomes, too: the server has seen them, and acted on them."""
    journal = Memory()
    link = Link(a=echo, b=echo)
    made = begun(link, journal=journal)
    link.behaviours["b"] = down

    def round_of(made: GridExchange, number: int) -> list[dict[str, Any]]:
        made.nodes(waiting=True)
        made.push([message(name, f"m{number}-{name}") for name in "ab"], 5.0)
        return made.collect([f"m{number}-{name}" for name in "ab"], 5.0)

    first = [round_of(made, 1)]
    link.requests.clear()
    link.behaviours["b"] = echo
    again = begun(link, journal=journal.again())
    assert [round_of(again, 1)] == first
    assert link.asked("a") == link.asked("b") == 0
    assert (again.tally.recalled, again.tally.asked) == (2, 0)
    second = round_of(again, 2)
    assert link.asked("a") == 1 and "content" in second[0]


def test_a_server_that_goes_on_sees_the_nodes_of_then() -> None:
    """It drew from them: with others it would draw others, and ask for something else than then."""
    journal = Memory()
    link = Link(a=echo, b=echo)
    present = begun(link, journal=journal).nodes(waiting=True)
    link.behaviours["b"] = down
    again = begun(link, journal=journal.again())
    assert again.nodes(waiting=True) == present and len(present) == 2
    assert again.nodes(waiting=True) == [node_number("a")]


def test_the_same_messages_are_the_same_bytes() -> None:
    """Or the journal would not know them again."""
    links = [Link(a=echo), Link(a=echo)]
    for link in links:
        made = begun(link)
        made.push([message("a", "m")], 5.0)
        made.collect(["m"], 5.0)
        time.sleep(0.01)
    assert links[0].raw == links[1].raw
