"""A server that was killed gets back what it had, byte for byte, and asks only for the rest."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.errors import JournalCorrupt, JournalDiverged, JournalMismatch, JournalUnusable
from federated.journal import RoundJournal, run_digest

ROOT = Path(__file__).parents[2]
RUN = run_digest("c" * 64, b'{"rounds":3}', 7)
ASKED = [("baku", b"train 1"), ("oslo", b"train 1"), ("lima", b"train 1")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.journal"


def some_rounds(path: Path) -> None:
    """Two exchanges, the second of them half answered."""
    with RoundJournal(path, RUN) as journal:
        assert journal.remember("nodes", lambda: b"baku,oslo,lima") == b"baku,oslo,lima"
        first = journal.exchange(ASKED)
        for index in (2, 0, 1):
            assert first.answer(index, b"reply %d" % index)
        first.close()
        second = journal.exchange(ASKED[:2])
        second.answer(1, b"late " * 1000)


def test_a_restarted_server_gets_what_was_answered(path: Path) -> None:
    """The same replies, in the order in which they came, and only the missing one is to be asked."""
    some_rounds(path)
    with RoundJournal(path, RUN) as journal:
        assert journal.resumes and journal.torn == 0
        assert journal.remember("nodes", lambda: pytest.fail("made again")) == b"baku,oslo,lima"
        first = journal.exchange(ASKED)
        assert first.replayed and first.closed and first.to_ask == () and first.answered == (2, 0, 1)
        assert first.replies() == [b"reply 0", b"reply 1", b"reply 2"]
        second = journal.exchange(ASKED[:2])
        assert second.replayed and not second.closed and second.to_ask == (0,)
        assert not journal.resumes
        assert second.answer(0, b"now") and second.replies() == [b"now", b"late " * 1000]
        third = journal.exchange(ASKED)
        assert not third.replayed and third.to_ask == (0, 1, 2) and third.number == 3


def test_a_node_that_answers_twice_is_heard_once(path: Path) -> None:
    """The first answer counts, also after a restart."""
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)
        assert exchange.answer(0, b"first") and not exchange.answer(0, b"second")
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)
        assert not exchange.answer(0, b"third") and exchange.reply(0) == b"first"


def test_late_answers_are_dropped_and_stay_dropped(path: Path) -> None:
    """A straggler's round ended without it: a restarted server must not hear it either."""
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)
        exchange.answer(1, b"in time")
        exchange.close()
        exchange.close()
        assert not exchange.answer(0, b"late")
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)
        assert exchange.closed and exchange.to_ask == () and exchange.replies() == [None, b"in time", None]


def test_several_exchanges_may_be_open_at_once(path: Path) -> None:
    """As for an app that pushes messages, and pulls replies when they are there."""
    with RoundJournal(path, RUN) as journal:
        one, two = journal.exchange(ASKED), journal.exchange(ASKED[:1])
        two.answer(0, b"two")
        one.answer(2, b"one")
        assert journal.exchange([]).to_ask == ()
    with RoundJournal(path, RUN) as journal:
        one, two = journal.exchange(ASKED), journal.exchange(ASKED[:1])
        assert (one.reply(2), two.reply(0)) == (b"one", b"two")
        one.answer(0, b"more")
        two.close()
        assert not two.answer(0, b"x") and one.answer(1, b"last")


def test_answers_of_many_threads(path: Path) -> None:
    """One thread for each node, as the grid has them."""
    asked = [(f"node-{n}", b"x") for n in range(16)]
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(asked)
        threads = [threading.Thread(target=exchange.answer, args=(n, bytes([n]) * 50_000)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with RoundJournal(path, RUN) as journal:
        assert journal.exchange(asked).replies() == [bytes([n]) * 50_000 for n in range(16)]


def test_a_large_reply_is_not_kept_in_memory(path: Path) -> None:
    """Nor any other: they are read from the file when they are asked for."""
    reply = os.urandom(3 << 20)
    with RoundJournal(path, RUN, durable=True) as journal:
        journal.exchange(ASKED).answer(0, memoryview(reply))
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)
        assert exchange.reply(0) == reply
        assert all(not isinstance(one, bytes) for one in exchange._event.answers.values())


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_story_is_replayed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Random requests, answers and values, cut by closing the file anywhere: the second time is like the first."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    requests = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=9)), max_size=4)
    story = data.draw(st.lists(st.one_of(requests, st.binary(max_size=9)), max_size=6))
    expected = []
    with RoundJournal(path, RUN) as journal:
        for event in story:
            if isinstance(event, bytes):
                expected.append((event,))
                assert journal.remember("value", lambda event=event: event) == event
                continue
            exchange = journal.exchange(event)
            for index in data.draw(st.permutations(range(len(event)))):
                if data.draw(st.booleans()):
                    exchange.answer(index, data.draw(st.binary(max_size=20)))
            if data.draw(st.booleans()):
                exchange.close()
            expected.append((exchange.answered, exchange.replies(), exchange.to_ask, exchange.closed))
    with RoundJournal(path, RUN) as journal:
        found = []
        for event in story:
            if isinstance(event, bytes):
                found.append((journal.remember("value", lambda: b"another"),))
            else:
                exchange = journal.exchange(event)
                found.append((exchange.answered, exchange.replies(), exchange.to_ask, exchange.closed))
        assert found == expected and not journal.resumes


# -- another run, another server ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        run_digest("d" * 64, b'{"rounds":3}', 7),
        run_digest("c" * 64, b'{"rounds":4}', 7),
        run_digest("c" * 64, b'{"rounds":3}', 8),
    ],
    ids=["app", "config", "seed"],
)
def test_the_journal_of_another_run_is_refused(path: Path, other: bytes) -> None:
    """Its replies are of another app, configuration or seed; the file stays as it is."""
    some_rounds(path)
    before = path.read_bytes()
    with pytest.raises(JournalMismatch):
        RoundJournal(path, other)
    assert path.read_bytes() == before
    with pytest.raises(ValueError):
        RoundJournal(path, b"short")


def test_parts_of_a_run_are_not_confused() -> None:
    """What ends the one does not begin the other."""
    assert run_digest("ab", b"c", 1) != run_digest("a", b"bc", 1)
    assert run_digest("a", b"1", 11) != run_digest("a", b"11", 1)
    assert run_digest("a", b"", 1) == run_digest(b"a", b"", 1) and len(run_digest("a", b"", -(1 << 80))) == 32


@pytest.mark.parametrize(
    "asked",
    [ASKED[:2], ASKED[::-1], [*ASKED[:2], ("lima", b"train 2")], [*ASKED[:2], ("riga", b"train 1")], []],
    ids=["fewer", "another order", "another request", "another node", "nobody"],
)
def test_a_server_that_asks_for_something_else_is_told(path: Path, asked: list[tuple[str, bytes]]) -> None:
    """It is not seeded: with the replies of before it would compute something that no run has."""
    some_rounds(path)
    with RoundJournal(path, RUN) as journal:
        journal.remember("nodes", lambda: b"")
        with pytest.raises(JournalDiverged) as caught:
            journal.exchange(asked)
    assert caught.value.number == 1 and "an exchange with baku, oslo, lima" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_another_kind_of_event_is_told(path: Path) -> None:
    """A value where an exchange was, or of another name; and the journal is as it was."""
    some_rounds(path)
    before = path.read_bytes()
    with RoundJournal(path, RUN) as journal:
        with pytest.raises(JournalDiverged, match="the value 'nodes' was asked for"):
            journal.exchange(ASKED)
        for name in ("node", "nodess", "clock"):
            with pytest.raises(JournalDiverged):
                journal.remember(name, lambda: b"")
        journal.remember("nodes", lambda: b"")
        with pytest.raises(JournalDiverged):
            journal.remember("nodes", lambda: b"")
    assert path.read_bytes() == before


# -- damage ------------------------------------------------------------------------------------------------------------


def test_any_torn_tail_is_cut_off_and_told(path: Path, tmp_path: Path) -> None:
    """Cut at every byte: what is whole before it is kept, and the length of the rest is told."""
    some_rounds(path)
    whole = path.read_bytes()
    ends = set()
    for cut in [*range(0, 700), *range(700, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        with RoundJournal(path, RUN) as journal:
            kept = journal._frames.end
            assert kept - cut == -journal.torn or (cut < journal._frames.end and journal.torn == cut)
            journal.remember("nodes", lambda: b"again")
        ends.add(kept)
        assert path.read_bytes()[:kept] == whole[:kept]
    assert len(ends) == 8  # the header, and each of the seven frames but the last


def test_nothing_of_a_torn_tail_stays_behind_what_comes_next(path: Path) -> None:
    """A short answer in the place of half a long one."""
    some_rounds(path)
    path.write_bytes(path.read_bytes()[:-100])
    for replies in ([None, b"short"], [b"other", b"short"]):
        with RoundJournal(path, RUN) as journal:
            journal.remember("nodes", lambda: b"")
            journal.exchange(ASKED)
            second = journal.exchange(ASKED[:2])
            for index, reply in enumerate(replies):
                if reply is not None:
                    second.answer(index, reply)
            assert second.replies() == replies


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_other_damage_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A changed byte anywhere in what is whole: never another reply, never a shorter journal."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    some_rounds(path)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises((JournalCorrupt, JournalMismatch)):
        RoundJournal(path, RUN)
    assert path.read_bytes() == whole


def frames(path: Path) -> list[bytes]:
    """The file in its parts."""
    data = path.read_bytes()
    ends = []
    for cut in range(len(data) + 1):
        if cut < 72:
            continue
        path.write_bytes(data[:cut])
        try:
            with RoundJournal(path, RUN) as journal:
                if journal._frames.end not in ends:
                    ends.append(journal._frames.end)
        except JournalCorrupt:
            pass
    path.write_bytes(data)
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def test_frames_that_were_moved_are_refused(path: Path) -> None:
    """Taken out, put in twice, or reordered; and a value where no frame is."""
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)
        exchange.answer(0, b"a")
        exchange.answer(1, b"b")
        exchange.answer(2, b"c")
    parts = frames(path)
    assert len(parts) == 5
    head, opened, a, b, c = parts
    for wrong in ([head, a], [head, opened, b], [head, opened, b, a], [head, opened, a, a], [head, opened, a, c, b]):
        path.write_bytes(b"".join(wrong))
        with pytest.raises(JournalCorrupt):
            RoundJournal(path, RUN)
    path.write_bytes(b"".join([head, opened, a]))
    RoundJournal(path, RUN).close()
    path.write_bytes(b"not a journal at all, but as long as its header would be at the very least, or longer")
    with pytest.raises(JournalCorrupt, match="does not begin as a journal"):
        RoundJournal(path, RUN)


def test_an_answer_that_changes_while_it_is_open_is_refused(path: Path) -> None:
    """It is verified again when it is read."""
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)
        exchange.answer(0, b"the reply")
        data = path.read_bytes()
        path.write_bytes(data.replace(b"the reply", b"THE reply"))
        with pytest.raises(JournalCorrupt, match="altered while it was open"):
            exchange.reply(0)


# -- use ---------------------------------------------------------------------------------------------------------------


def test_one_server_at_a_time(path: Path) -> None:
    """Two of one run would each ask the nodes."""
    with RoundJournal(path, RUN):
        with pytest.raises(JournalUnusable, match="open in another process"):
            RoundJournal(path, RUN)
    RoundJournal(path, RUN).close()
    assert path.stat().st_mode & 0o077 == 0


def test_a_closed_journal_says_so(path: Path) -> None:
    """And a request that there is not."""
    journal = RoundJournal(path, RUN)
    exchange = journal.exchange(ASKED)
    exchange.answer(1, b"x")
    for index in (3, -1):
        with pytest.raises(IndexError):
            exchange.answer(index, b"")
    assert exchange.reply(0) is None
    journal.close(), journal.close()
    for use in (lambda: exchange.answer(0, b""), lambda: exchange.reply(1), lambda: journal.exchange(ASKED)):
        with pytest.raises(JournalUnusable, match="was closed"):
            use()
    with pytest.raises(JournalUnusable):
        RoundJournal(path / "below a file", RUN)


def test_a_full_disk_leaves_a_whole_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a frame is taken back, and the answer can be written when there is room."""
    pwrite = os.pwrite
    with RoundJournal(path, RUN) as journal:
        exchange = journal.exchange(ASKED)

        def full(file: int, data: bytes, offset: int) -> int:
            if len(data) > 100:
                pwrite(file, data[:100], offset)
                raise OSError(28, "No space left on device")
            return pwrite(file, data, offset)

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(JournalUnusable, match="No space left"):
            exchange.answer(0, b"x" * 1000)
        monkeypatch.undo()
        assert exchange.to_ask == (0, 1, 2)
        assert exchange.answer(0, b"y")  # shorter than what was taken back
    with RoundJournal(path, RUN) as journal:
        assert journal.torn == 0 and journal.exchange(ASKED).reply(0) == b"y"


def test_killed_at_each_step_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """`journal_under_fire` says how it is judged; it must also have been killed often enough to mean something."""
    command = [sys.executable, "-W", "error", "-m", "tests.federated.journal_under_fire", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 100
