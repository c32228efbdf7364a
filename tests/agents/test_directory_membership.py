"""Places and leases: who is the place, who may count on what it holds, and what a restart may forget."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.directory import Directory, NotRegistered, PlaceKeyChanged, WriterOver
from agents.handoff.ledger import NEVER, Denial, Denied, Granted, Holder, Restore, Take

KEY, LINK = b"k" * 32, b"r" * 32
OLD, NEW, BAKU = Holder("oslo", "old"), Holder("oslo", "new"), Holder("baku", "b")


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path, clock: Clock) -> Iterator[Directory]:
    with Directory(tmp_path, clock=clock, now=lambda: 1000.0 + clock.at) as directory:
        yield directory


def join(directory: Directory, holder: Holder, gone: bool = False) -> None:
    directory.register(holder.place, holder.writer, KEY, gone, {})


def takes(directory: Directory, holder: Holder, agent: str = "a1") -> None:
    assert isinstance(directory.submit(Take(agent, NEVER, holder, LINK)), Granted)


def restores(directory: Directory, holder: Holder, epoch: int = 0) -> bool:
    answer = directory.submit(Restore("a1", epoch, holder, 0, LINK))
    assert isinstance(answer, Granted) or answer.reason is Denial.STILL_HELD
    return isinstance(answer, Granted)


def test_members_say_who_is_the_place_and_their_version_grows_with_each_change(directory: Directory) -> None:
    joined = directory.register("oslo", "old", KEY, False, {"cpus": 2})
    assert joined.lease_seconds == 10.0
    (member,) = joined.members
    assert (member.place, member.writer, member.key, member.about) == ("oslo", "old", KEY, {"cpus": 2})
    assert (member.joined, member.left, member.leased) == (1000.0, None, True)
    versions = [joined.members_version]
    assert directory.register("oslo", "old", KEY, False, {"cpus": 2}).members_version == versions[0]  # a repetition
    versions.append(directory.register("oslo", "old", KEY, False, {"cpus": 4}).members_version)
    versions.append(directory.register("baku", "b", KEY, False, {}).members_version)
    versions.append(directory.register("oslo", "new", KEY, False, {}).members_version)
    directory.leave("baku", "b")
    versions.append(directory.renew("oslo", "new").members_version)
    assert versions == sorted(set(versions))
    assert [(m.place, m.writer, m.left is None, m.leased) for m in directory.members()] == [
        ("baku", "b", False, False),
        ("oslo", "new", True, True),
    ]
    assert pickle.loads(pickle.dumps(joined)) == joined


def test_a_place_that_left_can_come_back_by_a_new_process(directory: Directory) -> None:
    join(directory, OLD)
    directory.leave("oslo", "old")
    directory.leave("oslo", "old")
    with pytest.raises(WriterOver):
        join(directory, OLD)
    join(directory, NEW)
    (member,) = directory.members()
    assert (member.writer, member.left, member.leased) == ("new", None, True)


def test_another_key_is_refused_unless_it_is_meant(directory: Directory) -> None:
    join(directory, OLD)
    join(directory, BAKU)
    with pytest.raises(PlaceKeyChanged) as caught:
        directory.register("oslo", "new", b"x" * 32, True, {})
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.place, error.known, error.offered) == ("oslo", KEY.hex(), (b"x" * 32).hex())
    assert not directory.renew("oslo", "old").stop, "the refused process must not have superseded it"
    assert directory.members()[1].leased, "nor ended its lease"
    directory.register("oslo", "new", b"x" * 32, True, {}, replace_key=True)
    assert [member.key for member in directory.members()] == [KEY, b"x" * 32]


def test_a_refused_key_leaves_nothing_that_a_restart_would_find(tmp_path: Path) -> None:
    with Directory(tmp_path) as directory:
        join(directory, OLD)
        with pytest.raises(PlaceKeyChanged):
            directory.register("oslo", "new", b"x" * 32, True, {})
    with Directory(tmp_path) as directory:
        assert not directory.renew("oslo", "old").stop
        with pytest.raises(NotRegistered):
            directory.renew("oslo", "new")


def test_a_superseded_process_is_stopped_and_never_comes_back(directory: Directory) -> None:
    join(directory, OLD)
    join(directory, NEW)
    assert directory.renew("oslo", "old").stop
    with pytest.raises(WriterOver):
        join(directory, OLD)
    assert not directory.renew("oslo", "new").stop


def test_a_superseded_process_keeps_its_lease_to_the_end_and_gets_no_more(directory: Directory, clock: Clock) -> None:
    """It may still run its agents: its successor on the same machine must wait, unless it is known to be dead."""
    join(directory, OLD)
    takes(directory, OLD)
    join(directory, NEW)
    clock.at = 9.0
    assert directory.renew("oslo", "old").stop
    directory.renew("oslo", "new")
    assert not restores(directory, NEW)
    clock.at = 10.0
    assert restores(directory, NEW)


def test_a_dead_predecessor_has_no_lease_any_more(directory: Directory) -> None:
    join(directory, OLD)
    takes(directory, OLD)
    join(directory, NEW, gone=True)
    assert directory.renew("oslo", "new").orphans
    assert [row.agent for row in directory.orphans("oslo", "new")] == ["a1"]
    assert restores(directory, NEW)
    assert not directory.renew("oslo", "new").orphans
    assert directory.holdings("oslo", "new") == {"a1": 1}


def test_a_goodbye_ends_the_lease_at_once(directory: Directory) -> None:
    join(directory, OLD)
    join(directory, BAKU)
    takes(directory, OLD)
    assert not restores(directory, BAKU)
    directory.leave("oslo", "old")
    assert directory.renew("oslo", "old").stop
    assert restores(directory, BAKU)


def test_who_is_not_known_is_told_to_register(directory: Directory) -> None:
    for ask in (directory.renew, directory.leave, directory.holdings):
        with pytest.raises(NotRegistered):
            ask("oslo", "nobody")
    answer = directory.submit(Take("a1", NEVER, OLD, LINK))
    assert isinstance(answer, Denied)
    assert answer.reason is Denial.NO_LEASE


def test_a_renewal_after_the_end_says_so_until_the_place_has_looked(directory: Directory, clock: Clock) -> None:
    """The answer to the first renewal may be lost."""
    join(directory, OLD)
    takes(directory, OLD)
    clock.at = 9.9
    assert not directory.renew("oslo", "old").expired
    clock.at = 19.9
    assert directory.renew("oslo", "old").expired
    assert directory.renew("oslo", "old").expired
    assert directory.holdings("oslo", "old") == {"a1": 0}
    assert not directory.renew("oslo", "old").expired


def test_who_registers_again_after_the_end_is_told_too(directory: Directory, clock: Clock) -> None:
    join(directory, OLD)
    clock.at = 10.0
    join(directory, OLD)
    assert directory.renew("oslo", "old").expired


def test_abandoned_are_agents_whose_holder_is_over_for_longer_than_the_grace(
    directory: Directory, clock: Clock
) -> None:
    join(directory, OLD)
    join(directory, BAKU)
    takes(directory, OLD, "a1")
    takes(directory, BAKU, "a2")
    clock.at = 8.0
    directory.renew("baku", "b")
    clock.at = 13.0
    assert [row.agent for row in directory.abandoned()] == ["a1"]
    assert [row.agent for row in directory.abandoned(2.9)] == ["a1"]
    assert directory.abandoned(3.0) == []


# -- over a restart of the directory


def test_after_a_restart_every_process_counts_as_just_renewed(tmp_path: Path) -> None:
    """How long its lease had still to run is not known any more; nothing is given away too early."""
    clock = Clock()
    with Directory(tmp_path, clock=clock) as directory:
        join(directory, OLD)
        takes(directory, OLD)
        join(directory, NEW)  # the old one may still run its agents
        join(directory, BAKU)
    clock.at = 100.0
    with Directory(tmp_path, clock=clock) as directory:
        clock.at = 109.9
        directory.renew("baku", "b")
        directory.renew("oslo", "new")
        assert not restores(directory, BAKU)
        assert directory.renew("oslo", "old").stop
        clock.at = 110.0
        assert restores(directory, BAKU)


def test_after_a_restart_the_dead_stay_dead(tmp_path: Path) -> None:
    with Directory(tmp_path) as directory:
        join(directory, OLD)
        takes(directory, OLD)
        join(directory, NEW, gone=True)
        join(directory, BAKU)
        directory.leave("oslo", "new")
    with Directory(tmp_path) as directory:
        assert [member.leased for member in directory.members()] == [True, False]
        for holder in (OLD, NEW):
            with pytest.raises(WriterOver):
                join(directory, holder)
        assert restores(directory, BAKU)


def test_a_place_that_was_robbed_is_told_even_after_a_restart(tmp_path: Path) -> None:
    """Its lease had run out, and somebody has restored its agent. Taken as just renewed, it must still look."""
    clock = Clock()
    with Directory(tmp_path, clock=clock) as directory:
        join(directory, OLD)
        takes(directory, OLD)
        clock.at = 10.0
        join(directory, BAKU)
        assert restores(directory, BAKU)
    with Directory(tmp_path, clock=clock) as directory:
        assert directory.renew("oslo", "old").expired
        assert directory.holdings("oslo", "old") == {}
        assert not directory.renew("oslo", "old").expired
    with Directory(tmp_path, clock=clock) as directory:
        assert not directory.renew("oslo", "old").expired
        assert not directory.renew("baku", "b").expired


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_lease_without_length_is_refused(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match="lasts"):
        Directory(tmp_path, lease_seconds=seconds)
    Directory(tmp_path).close()  # and the folder was given back


def test_a_late_registration_takes_the_place_from_nobody_who_came_after(directory: Directory) -> None:
    """Its process has died before it was answered, and the next one lives: that one must keep its lease."""
    directory.register("oslo", "old", KEY, True, {}, follows=None)
    directory.register("oslo", "new", KEY, True, {}, follows="old")  # "dead" had asked before, and was not heard yet
    takes(directory, NEW)
    with pytest.raises(WriterOver):
        directory.register("oslo", "dead", KEY, True, {}, follows="old")
    assert not directory.renew("oslo", "new").stop and directory.holdings("oslo", "new") == {"a1": 0}
    directory.register("oslo", "new", KEY, True, {}, follows="old")  # a repetition of what was granted
    directory.register("oslo", "next", KEY, True, {}, follows="new")
    assert directory.renew("oslo", "new").stop
