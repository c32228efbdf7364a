"""What the directory keeps beside its rows: names, descriptions, passports, outcomes, replies; and how it is asked."""

from __future__ import annotations

import pickle
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.directory import AgentNameTaken, Directory, Info, _agents
from agents.directory import _lookups as lookups
from agents.handoff.ledger import NEVER, Denied, Fence, Finish, Granted, Holder, Release, Restore, Row, Status, Take

OSLO, BAKU = Holder("oslo", "o"), Holder("baku", "b")
LINK = b"r" * 32


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path, clock: Clock) -> Iterator[Directory]:
    with Directory(tmp_path, now=clock, keep_seconds=100.0, reply_seconds=50.0) as directory:
        for holder in (OSLO, BAKU):
            directory.register(holder.place, holder.writer, b"key", False, {})
        yield directory


def info(name: str | None) -> Info:
    return Info(name, "me", None, "survey:tour", 5.0)


def born(directory: Directory, agent: str, name: str | None = None, passport: bytes | None = None) -> None:
    answer = directory.submit(Take(agent, NEVER, OSLO, LINK), info=info(name), passport=passport)
    assert isinstance(answer, Granted)


def ends(directory: Directory, agent: str, epoch: int = 0, outcome: bytes | None = None) -> None:
    assert isinstance(directory.submit(Finish(agent, epoch, OSLO), outcome=outcome), Granted)


# -- names


def test_a_name_belongs_to_one_agent_until_that_ends(directory: Directory) -> None:
    born(directory, "aaaaaaaa01", "ada")
    with pytest.raises(AgentNameTaken) as caught:
        born(directory, "aaaaaaaa02", "ada", passport=b"p")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.name, error.agent) == ("ada", "aaaaaaaa01")
    assert directory.find("aaaaaaaa02") is None, "the refused birth must leave nothing"
    ends(directory, "aaaaaaaa01")
    born(directory, "aaaaaaaa02", "ada")


def test_a_frozen_agent_keeps_its_name(directory: Directory) -> None:
    born(directory, "aaaaaaaa01", "ada")
    directory.submit(Release("aaaaaaaa01", 0, OSLO, LINK))
    with pytest.raises(AgentNameTaken):
        born(directory, "aaaaaaaa02", "ada")


def test_a_birth_that_is_asked_for_twice_is_granted_twice(directory: Directory) -> None:
    """The agent's own name is not in its way."""
    born(directory, "aaaaaaaa01", "ada")
    born(directory, "aaaaaaaa01", "ada")


def test_agents_without_names_are_not_in_each_others_way(directory: Directory) -> None:
    born(directory, "aaaaaaaa01")
    born(directory, "aaaaaaaa02")
    assert {entry.row.agent for entry in directory.entries()} == {"aaaaaaaa01", "aaaaaaaa02"}


def test_a_denied_birth_is_denied_and_not_called_a_taken_name(directory: Directory) -> None:
    born(directory, "aaaaaaaa01", "ada")
    answer = directory.submit(Take("aaaaaaaa02", NEVER, Holder("lima", "l"), LINK), info=info("ada"))
    assert isinstance(answer, Denied)


# -- finding


def test_an_agent_is_found_by_id_by_name_and_by_the_beginning_of_its_id(directory: Directory) -> None:
    born(directory, "abcdef0123", "ada", passport=b"p")
    born(directory, "abcdef9999", "bob")
    for wanted in ("abcdef0123", "ada", "abcdef0"):
        entry = directory.find(wanted)
        assert entry is not None
        assert entry == pickle.loads(pickle.dumps(entry))
        assert entry.row == Row("abcdef0123", 0, Status.HELD, OSLO, 0, LINK)
        assert (entry.info, entry.passport, entry.ended_at) == (info("ada"), b"p", None)
    for wanted in ("abcdef", "abcde", "abcdef1", "nobody", "", "ABCDEF0", "abcdef%"):
        assert directory.find(wanted) is None, wanted


def test_a_beginning_of_five_digits_is_too_short(directory: Directory) -> None:
    """However many agents there are: what is found today would be ambiguous tomorrow."""
    born(directory, "cdef012345")
    assert directory.find("cdef0") is None
    assert directory.find("cdef01") is not None


def test_a_name_means_the_living_agent_else_the_one_that_ended_last(directory: Directory, clock: Clock) -> None:
    for number in (1, 2):
        born(directory, f"aaaaaaaa0{number}", "ada")
        clock.at += 1
        ends(directory, f"aaaaaaaa0{number}")
    found = directory.find("ada")
    assert found is not None
    assert (found.row.agent, found.ended_at) == ("aaaaaaaa02", 1002.0)
    born(directory, "aaaaaaaa00", "ada")
    found = directory.find("ada")
    assert found is not None
    assert found.row.agent == "aaaaaaaa00"


def test_an_id_goes_before_a_name_that_looks_like_it(directory: Directory) -> None:
    born(directory, "aaaaaaaa01", "bbbbbbbb01")
    born(directory, "bbbbbbbb01", "ada")
    found = directory.find("bbbbbbbb01")
    assert found is not None
    assert found.row.agent == "bbbbbbbb01"


def test_entries_are_the_youngest_first_and_the_living_unless_asked(directory: Directory) -> None:
    for number in range(4):
        born(directory, f"aaaaaaaa0{number}", passport=b"p")
    ends(directory, "aaaaaaaa02")
    directory.submit(Fence("never-born", NEVER, OSLO, LINK))
    living = [entry.row.agent for entry in directory.entries()]
    assert living == ["aaaaaaaa03", "aaaaaaaa01", "aaaaaaaa00"]
    assert [entry.row.agent for entry in directory.entries(2)] == living[:2]
    everyone = directory.entries(include_ended=True)
    assert [entry.row.agent for entry in everyone] == ["aaaaaaaa03", "aaaaaaaa02", "aaaaaaaa01", "aaaaaaaa00"]


def test_it_says_where_an_agent_is(directory: Directory) -> None:
    born(directory, "aaaaaaaa01")
    assert directory.locate("aaaaaaaa01")[0] == "oslo"
    directory.submit(Release("aaaaaaaa01", 0, OSLO, LINK))
    place, row = directory.locate("aaaaaaaa01")
    assert place is None
    assert row is not None
    assert row.status is Status.FROZEN
    assert directory.locate("nobody") == (None, None)


# -- papers come with a grant, once


def test_a_stale_end_never_replaces_an_outcome(directory: Directory) -> None:
    born(directory, "aaaaaaaa01")
    assert directory.outcome("aaaaaaaa01") is None
    ends(directory, "aaaaaaaa01", outcome=b"first")
    ends(directory, "aaaaaaaa01", outcome=b"repeated")
    late = directory.submit(Finish("aaaaaaaa01", 1, OSLO), outcome=b"late")
    assert isinstance(late, Denied)
    assert directory.outcome("aaaaaaaa01") == b"first"


def test_the_file_itself_refuses_a_second_outcome_and_a_second_bearer_of_a_name(directory: Directory) -> None:
    """Should the code before it ever fail."""
    born(directory, "aaaaaaaa01", "ada")
    born(directory, "aaaaaaaa02", "bob")
    ends(directory, "aaaaaaaa02", outcome=b"o")
    born(directory, "aaaaaaaa03", "eve")
    with pytest.raises(sqlite3.IntegrityError), directory._database.change() as db:
        _agents.keep_outcome(db, "aaaaaaaa02", b"another")
    with pytest.raises(sqlite3.IntegrityError), directory._database.change() as db:
        db.execute("UPDATE agents SET name = 'ada' WHERE name = 'eve'")
    assert directory.outcome("aaaaaaaa02") == b"o"


def test_a_denied_end_leaves_no_outcome(directory: Directory) -> None:
    born(directory, "aaaaaaaa01")
    assert isinstance(directory.submit(Finish("aaaaaaaa01", 0, BAKU), outcome=b"not mine"), Denied)
    assert directory.outcome("aaaaaaaa01") is None


def test_the_passport_is_the_one_of_the_last_grant(directory: Directory) -> None:
    def passport() -> bytes | None:
        entry = directory.find("aaaaaaaa01")
        assert entry is not None
        return entry.passport

    born(directory, "aaaaaaaa01", passport=b"birth")
    directory.submit(Take("aaaaaaaa01", 0, BAKU, b"x" * 32, b"wrong" * 6), passport=b"denied")
    assert passport() == b"birth"
    directory.submit(Take("aaaaaaaa01", 0, BAKU, b"x" * 32, LINK), passport=b"hop")
    assert passport() == b"hop"
    directory.submit(Restore("aaaaaaaa01", 1, BAKU, 1, b"x" * 32))
    assert passport() == b"hop", "a request without one leaves it"
    directory.submit(Restore("aaaaaaaa01", 2, BAKU, 2, b"x" * 32), passport=b"back")
    assert passport() == b"back"
    directory.submit(Release("aaaaaaaa01", 3, BAKU, b"y" * 32), passport=b"file")
    assert passport() == b"file"


def test_a_description_is_of_the_birth_and_stays(directory: Directory) -> None:
    born(directory, "aaaaaaaa01", "ada")
    directory.submit(Take("aaaaaaaa01", 0, BAKU, b"x" * 32, LINK), info=info("eve"))
    entry = directory.find("ada")
    assert entry is not None
    assert entry.row.holder == BAKU
    assert directory.find("eve") is None


@pytest.mark.parametrize(
    ("request_", "papers"),
    [
        (Finish("a", 0, OSLO), {"info": info("x")}),
        (Restore("a", 0, OSLO, 0, LINK), {"info": info("x")}),
        (Take("a", NEVER, OSLO, LINK), {"outcome": b"o"}),
        (Finish("a", 0, OSLO), {"passport": b"p"}),
        (Fence("a", 0, OSLO, LINK), {"passport": b"p"}),
    ],
)
def test_papers_of_another_request_are_refused(directory: Directory, request_: object, papers: dict) -> None:
    with pytest.raises(ValueError, match="with a|comes with"):
        directory.submit(request_, **papers)


def test_old_papers_are_dropped_and_rows_stay(directory: Directory, clock: Clock) -> None:
    """The row is the fence: an agent that ended must stay ended for ever."""
    born(directory, "aaaaaaaa01", passport=b"p")
    born(directory, "aaaaaaaa02", passport=b"p")
    ends(directory, "aaaaaaaa01", outcome=b"o")
    clock.at += 100.0
    assert directory.tidy() == 0
    clock.at += 0.1
    assert directory.tidy() == 2
    entry = directory.find("aaaaaaaa01")
    assert entry is not None
    assert (directory.outcome("aaaaaaaa01"), entry.passport, entry.row.status) == (None, None, Status.ENDED)
    living = directory.find("aaaaaaaa02")
    assert living is not None
    assert living.passport == b"p"
    assert isinstance(directory.submit(Take("aaaaaaaa01", NEVER, OSLO, LINK)), Denied)


# -- waiting


def in_thread(action: object) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_waiting_for_several_ends_when_the_last_has_ended(directory: Directory) -> None:
    agents = ["aaaaaaaa01", "aaaaaaaa02", "aaaaaaaa03"]
    for agent in agents:
        born(directory, agent)
    ends(directory, agents[0])
    answers: list[bool] = []
    waiting = in_thread(lambda: answers.append(directory.wait_ended(agents, 30)))
    ends(directory, agents[1])
    waiting.join(0.2)
    assert waiting.is_alive(), "one still runs"
    ends(directory, agents[2])
    waiting.join(10)
    assert answers == [True]


def test_waiting_ends_with_a_fence_before_the_birth(directory: Directory) -> None:
    answers: list[bool] = []
    waiting = in_thread(lambda: answers.append(directory.wait_ended(["aaaaaaaa01"], 30)))
    waiting.join(0.1)
    directory.submit(Fence("aaaaaaaa01", NEVER, OSLO, LINK))
    waiting.join(10)
    assert answers == [True]


def test_every_wait_is_bounded(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "LONGEST_WAIT", 0.05)
    assert directory.wait_ended(["nobody"], 1e9) is False
    assert directory.take_reply("nothing", 1e9) is None
    assert directory.wait_ended(["nobody"], -5) is False
    assert directory.wait_ended([], 0) is True


def test_who_waits_keeps_nobody_else_from_asking(directory: Directory) -> None:
    waiting = in_thread(lambda: directory.wait_ended(["nobody"], 1))
    waiting.join(0.1)
    born(directory, "aaaaaaaa01")
    assert waiting.is_alive()
    waiting.join(10)


# -- replies and settings


def test_the_first_reply_wins_and_may_be_taken_again(directory: Directory) -> None:
    """An answer may be lost on its way to the asker, who then asks again."""
    assert directory.put_reply("q", b"first")
    assert not directory.put_reply("q", b"second")
    assert directory.take_reply("q", 1) == b"first"
    assert directory.take_reply("q", 1) == b"first"


def test_a_reply_reaches_who_is_waiting(directory: Directory) -> None:
    answers: list[bytes | None] = []
    waiting = in_thread(lambda: answers.append(directory.take_reply("q", 30)))
    waiting.join(0.1)
    directory.put_reply("another", b"x")
    directory.put_reply("q", b"reply")
    waiting.join(10)
    assert answers == [b"reply"]


def test_replies_expire(directory: Directory, clock: Clock) -> None:
    directory.put_reply("q", b"reply")
    clock.at += 49.9
    assert directory.take_reply("q", 0) == b"reply"
    clock.at += 0.1
    assert directory.take_reply("q", 0) is None
    assert directory.tidy() == 1
    directory.put_reply("q", b"new")
    clock.at += 50
    assert directory.put_reply("q", b"newer"), "what has expired is in nobody's way"


def test_settings_and_all_else_outlive_a_restart(tmp_path: Path) -> None:
    with Directory(tmp_path) as directory:
        directory.register("oslo", "o", b"key", False, {})
        born(directory, "aaaaaaaa01", "ada", passport=b"p")
        ends(directory, "aaaaaaaa01", outcome=b"o")
        directory.put_reply("q", b"reply")
        assert directory.setting("platform") is None
        directory.set_setting("platform", "one")
        directory.set_setting("platform", "two")
        before = directory.find("ada")
    with Directory(tmp_path) as directory:
        assert directory.setting("platform") == "two"
        assert directory.find("ada") == before
        assert directory.outcome("aaaaaaaa01") == b"o"
        assert directory.take_reply("q", 0) == b"reply"
