"""Threads that are used again: each task at once, none twice, none left waiting."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from federated import workers
from federated.workers import Workers


def test_tasks_wait_for_no_thread_to_be_free() -> None:
    """A node that hangs must not hold up the message to another."""
    crew, meeting = Workers(), threading.Barrier(21)
    for _ in range(20):
        crew.do(partial(meeting.wait, 10))
    meeting.wait(10)


def test_a_thread_that_is_free_is_used_again() -> None:
    """One after the other, the tasks need one thread; what raises takes only its own thread along."""
    crew, seen = Workers(), []
    for _ in range(50):
        done = threading.Event()
        crew.do(lambda: (seen.append(threading.get_ident()), done.set()))
        assert done.wait(10)
        while not crew._free:
            pass
    assert len(set(seen)) == 1


def test_threads_end_when_there_is_nothing_to_do_and_no_task_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not one that comes in the moment in which a thread gives up waiting."""
    monkeypatch.setattr(workers, "_RESTING", 0.0005)
    crew, done = Workers(), []
    pause = threading.Event()
    for number in range(1000):
        crew.do(partial(done.append, number))
        pause.wait(0.0004 + number % 7 * 0.0001)
    for _ in range(1000):
        if len(done) == 1000 and not crew._free:
            break
        pause.wait(0.01)
    assert sorted(done) == list(range(1000))
    assert not crew._free
