"""Bad input: each gives what happened, why, where the agent is now and what to do; and the agent lives on."""

from __future__ import annotations

import pickle
import time

import pytest

from agents import agent, checkpoint, hop, receive, sleep
from agents.errors import (
    AgentsError,
    MoveFailed,
    MoveRefused,
    StoreFailed,
    UnknownAgent,
    UnknownPlace,
)
from agents.place import PlaceOptions
from agents.testing.local import LocalPlatform
from mobility.trust import Identity, Role, TrustEntry, TrustList
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=2.0, retry_seconds=0.05, directory_seconds=1.0)


@agent
def tries_to_hop(here, place, patience=1):
    error = None
    for _ in range(patience):
        try:
            here = yield hop(place)
            return here.name, None
        except MoveFailed as problem:
            error = problem
            yield sleep(0.1)
    return here.name, [str(error), error.why, error.here, error.remedy]


@agent
def resides(here):
    total = 0
    while True:
        message = yield receive()
        if message.value is None:
            return total, here.name
        total += message.value


def check_sentence(text: str, *words: str) -> None:
    """Says all four things."""
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"


class Own:
    """A place's own list of trusted keys."""

    def __init__(self, *trusted):
        self.list = TrustList.of(0, [TrustEntry(public, public.name, (Role.OWNER,)) for public in trusted])

    def current(self):
        return self.list


def test_unknown_place(platform):
    """From outside and from the agent; for every verb."""
    with pytest.raises(UnknownPlace) as raised:
        platform.launch(resides, at="atlantis")
    check_sentence(str(raised.value), "'atlantis'", "No agent was sent", "baku, lima, oslo")
    handle = platform.launch(resides, at="baku")
    for do in (handle.move, handle.clone):
        with pytest.raises(UnknownPlace) as raised:
            do("atlantis")
        check_sentence(str(raised.value), "'atlantis'", "unharmed and still runs on baku", "baku, lima, oslo")
    handle.send(None)
    assert handle.result(timeout=10) == (0, "baku")


def test_unknown_agent(platform):
    for do in (platform.get, platform.client.place_of):
        with pytest.raises(UnknownAgent, match="there is no agent 'nobody'.*sojourn ps"):
            do("nobody")


def test_place_that_died(platform):
    """The hop fails in good time, with the reason, and the agent goes on."""
    platform.kill("oslo")
    where, (text, why, here, remedy) = platform.launch(tries_to_hop, "oslo", at="baku").result(timeout=15)
    assert (where, why, here) == ("baku", "place-unreachable", "baku") and remedy
    check_sentence(text, "oslo does not answer", "still runs on baku", "try again")
    with pytest.raises(MoveFailed, match="oslo does not answer"):
        platform.launch(resides, at="oslo", timeout=3)


def test_untrusted_owner():
    stranger = Identity.generate("stranger", "owner")
    owner = Identity.generate("tester", "owner")
    with LocalPlatform(PLACES, owner=owner, trusts={"lima": Own()}, options=QUICK) as platform:
        where, (text, why, here, _) = platform.launch(tries_to_hop, "lima", at="baku").result(timeout=15)
        assert (where, why, here) == ("baku", "untrusted-signer", "baku")
        check_sentence(text, "lima", "untrusted-signer", "still runs on baku", "On lima run:  sojourn key trust")
        with pytest.raises(MoveRefused) as raised:
            platform.launch(resides, at="oslo", owner=stranger)
        check_sentence(str(raised.value), "oslo refused", "untrusted-signer", "On oslo run:  sojourn key trust")
        assert "No agent was born" in str(raised.value)
        assert not [row for row in platform.agents() if row.owner == "stranger"]


def test_name_taken(platform):
    """At launch, by clone and by spawn: nobody waits for ever, and the name is free again after the end."""
    handle = platform.launch(resides, at="baku", name="resident")
    with pytest.raises(AgentsError) as raised:
        platform.launch(resides, at="oslo", name="resident", timeout=10)
    check_sentence(str(raised.value), "resident", handle.agent, "agent-name-taken", "Choose another name")
    told = platform.launch(names_a_child, "resident", at="baku").result(timeout=15)
    assert all("agent-name-taken" in text or "belongs to agent" in text for text in told) and len(told) == 2, told
    handle.send(None)
    handle.result(timeout=10)
    again = platform.launch(resides, at="oslo", name="resident")
    assert platform.get("resident").agent == again.agent
    assert not [place for place in PLACES if "0" in platform.running[place].core.store.agents()]


@agent
def names_a_child(here, name):
    from agents import clone, spawn

    told = []
    for effect in (clone(name=name), spawn(resides, name=name), clone("oslo", name=name)):
        try:
            yield effect
        except MoveFailed as error:
            told.append(str(error))
    return told[:2]


@pytest.mark.parametrize("part", ["middle", "end", "cut"])
def test_tampered_bundle(platform, part):
    """A bundle that was altered on the way is refused before anything is decoded; the agent goes on."""
    from dataclasses import replace

    from agents.protocol import Transfer

    def tamper(whom, request, deliver):
        if isinstance(request, Transfer) and request.source == "baku":
            data = bytearray(request.bundle)
            if part == "cut":
                del data[-10:]
            else:
                data[len(data) // 2 if part == "middle" else -5] ^= 1
            return platform.running[whom].serve(replace(request, bundle=bytes(data)))
        return deliver()

    handle = platform.launch(resides, at="baku")
    platform.net.tamper = tamper
    with pytest.raises(MoveRefused) as raised:
        handle.move("oslo")
    check_sentence(str(raised.value), "oslo refused the bundle", "still runs on baku")
    platform.net.tamper = None
    handle.move("oslo")
    handle.send(None)
    assert handle.result(timeout=10) == (0, "oslo")


@agent
def needs_a_module(here):
    import tests.agents.place.needed

    try:
        here = yield hop("oslo")
    except MoveFailed as error:
        return str(error)
    return tests.agents.place.needed.__name__


def test_code_altered_on_the_way(platform):
    """The code that is fetched must be what the owner has signed."""
    from agents.protocol import FetchCode, Fetched

    def tamper(whom, request, deliver):
        answer = deliver()
        if isinstance(request, FetchCode):
            return Fetched(answer.data.replace(b"total", b"teutl"))
        return answer

    platform.net.tamper = tamper
    handle = platform.launch(resides, at="baku")
    with pytest.raises(MoveRefused) as raised:
        handle.move("oslo")
    check_sentence(str(raised.value), "oslo refused the bundle", "still runs on baku")
    platform.net.tamper = lambda whom, request, deliver: Fetched(None) if isinstance(request, FetchCode) else deliver()
    with pytest.raises(MoveRefused) as raised:
        handle.move("oslo")
    check_sentence(str(raised.value), "oslo refused the bundle", "still runs on baku")
    platform.net.tamper = None
    handle.move("oslo")
    handle.send(None)
    assert handle.result(timeout=10) == (0, "oslo")


def test_requirement_missing_at_the_destination(platform, monkeypatch):
    """The verdict at the landing is a refusal with its reasons; those that are asked for before: test_unlike.py."""
    from agents.place import judging
    from mobility.environment import Mobility, Reason, ReasonCode, Verdict

    handle = platform.launch(resides, at="baku")
    sentence = "it needs pandas>=2, and here is none"
    reason = Reason(next(iter(ReasonCode)), "pandas>=2", None, Mobility.REFUSE, sentence)
    decided = Verdict(Mobility.REFUSE, (reason,))
    monkeypatch.setattr(judging, "verdict_on", lambda verified, environment, **rest: decided)
    with pytest.raises(MoveRefused) as raised:
        handle.move("oslo")
    check_sentence(str(raised.value), "oslo cannot run it", "pandas", "still runs on baku")
    assert raised.value.reasons == [reason.as_data()] and raised.value.verdict == "refuse"
    monkeypatch.undo()
    handle.move("oslo")


def fill(place) -> None:
    """From now on its disk is full."""
    database = place.core.store._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")


def drain(place) -> None:
    place.core.store._database.execute("PRAGMA max_page_count = 1000000")


@agent
def holds_a_lot(here, size):
    data = bytes(size)
    told = []
    try:
        try:
            here = yield hop("oslo")
        except MoveFailed as error:
            told.append(str(error))
        try:
            yield checkpoint()
        except AgentsError as error:
            told.append(str(error))
        yield receive()
    finally:
        here.log(f"finally on {here.name}")
    here = yield hop("oslo")
    return told, here.name, len(data)


def test_full_disk_of_a_place(platform):
    """At the destination: refused, and nothing of it runs there. At home: no checkpoint, no message, no freeze; each
    with the reason, and all of it goes when there is room again."""
    handle = platform.launch(holds_a_lot, 100_000, at="baku")
    del handle
    for place in ("oslo", "baku"):
        platform.launch(resides, at=place)
    handle = platform.launch(waits_then_holds, 100_000, at="baku")
    for place in ("oslo", "baku"):
        fill(platform.running[place])
    with pytest.raises(MoveRefused) as raised:
        handle.move("oslo")
    check_sentence(
        str(raised.value),
        "oslo refused the bundle",
        "cannot write it down",
        "still runs on baku",
        "Make room on the disk",
    )
    with pytest.raises(StoreFailed) as raised:
        handle.send("x" * 50_000, timeout=5)
    check_sentence(str(raised.value), "baku cannot write down", "Make room on the disk of baku")
    with pytest.raises((StoreFailed, MoveFailed)):
        handle.freeze()
    for place in ("oslo", "baku"):
        drain(platform.running[place])
    handle.send("go", timeout=5)
    told, message, where = handle.result(timeout=15)
    assert (message, where) == ("go", "oslo"), "the message that failed has left no gap before this one"
    import gc

    gc.collect()
    said = until(lambda: [event.data["text"] for event in handle.logs() if event.kind == "said"])
    assert said == ["finally on baku"], "nothing of it ran where there was no room"


@agent
def waits_then_holds(here, size):
    data = bytes(size)
    try:
        message = yield receive()
    finally:
        here.log(f"finally on {here.name}")
    here = yield hop("oslo")
    return len(data), message.value, here.name


def test_directory_that_is_gone(platform):
    """Agents go on where they are as long as the lease runs; what is asked meanwhile is answered when it is back."""
    handle = platform.launch(resides, at="baku")
    counter = platform.launch(counts_up, at="baku")
    platform.kill_directory()
    handle.client._hints[handle.agent] = "baku"
    handle.send(3, timeout=5)  # it is known where the agent is, and that place has a lease
    time.sleep(0.3)
    import threading

    threading.Timer(0.7, platform.start_directory).start()
    handle.send(4, timeout=10)
    handle.send(None, timeout=10)
    assert handle.result(timeout=20) == (7, "baku")
    assert counter.result(timeout=20) == ("lima", 20)


@agent
def counts_up(here):
    number = 0
    while number < 20:
        number += 1
        yield sleep(0.02)
        if number == 10:
            while here.name != "lima":
                try:
                    here = yield hop("lima")
                except MoveFailed:
                    yield sleep(0.1)
    return here.name, number


def test_lost_lease_halts_and_wakes(tmp_path):
    """Without a directory for longer than the lease nothing takes another step; then all go on where they were."""
    with LocalPlatform(PLACES, lease_seconds=0.6, options=QUICK, folder=tmp_path) as platform:
        ticker = platform.launch(ticks, at="baku")
        sleeper = platform.launch(sleeps_long, at="oslo")
        time.sleep(0.2)
        platform.kill_directory()
        assert until(lambda: not platform.running["baku"].core.leased)
        time.sleep(0.1)
        first = platform.running["baku"].core.resident(ticker.agent).steps
        time.sleep(0.3)
        assert platform.running["baku"].core.resident(ticker.agent).steps == first
        platform.start_directory()
        assert ticker.result(timeout=20) == 40
        assert sleeper.result(timeout=20) == "lima"
        assert not sum(place._defects for place in platform.running.values())


@agent
def ticks(here):
    for number in range(40):
        yield sleep(0.02)
    return 40


@agent
def sleeps_long(here):
    yield sleep(0.8)
    while here.name != "lima":
        try:
            here = yield hop("lima")
        except MoveFailed:
            yield sleep(0.05)
    return here.name


def test_every_error_that_comes_across_pickles(platform):
    """What a place raises reaches the caller as it is."""
    handle = platform.launch(resides, at="baku")
    for do in (lambda: handle.move("atlantis"), lambda: platform.get("nobody"), lambda: handle.send(object())):
        with pytest.raises(AgentsError) as raised:
            do()
        copy = pickle.loads(pickle.dumps(raised.value))
        assert str(copy) == str(raised.value) and copy.slug == raised.value.slug and copy.remedy == raised.value.remedy
