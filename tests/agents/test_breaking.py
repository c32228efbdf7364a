"""Breaking off a computation: it hits that and nothing else, whenever it comes."""

from __future__ import annotations

import random
import sys
import threading
import time

import pytest

from agents import breaking
from agents.breaking import Breakable, Broken, Shielded


@pytest.fixture
def often():
    """Threads take turns after a few bytecodes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_a_thread(work):
    """Run it, and have what it has come to in a list."""
    found: list = []

    def run():
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def endless():
    while True:
        pass


def test_an_endless_loop_ends():
    one = Breakable()
    thread, found = in_a_thread(lambda: one.run(endless))
    time.sleep(0.02)
    one.break_off()
    thread.join(5)
    assert found == [None]


def test_what_is_broken_off_before_it_begins_does_not_begin():
    one = Breakable()
    one.break_off()
    assert one.run(lambda: pytest.fail("it began")) is None


def test_code_that_handles_everything_is_broken_off_again():
    one = Breakable()
    handled = []

    def stubborn():
        while len(handled) < 3:
            try:
                endless()
            except BaseException as error:
                handled.append(type(error))
        endless()

    thread, found = in_a_thread(lambda: one.run(stubborn))
    for _ in range(50):
        time.sleep(0.02)
        one.break_off()
    thread.join(5)
    assert found == [None] and handled == [Broken] * 3


def test_nothing_but_the_work_is_hit(often):
    """At any moment: before, within, and as it ends; the thread goes on with something else, which is not hit."""
    dice = random.Random(1)
    hits = [0]

    def rounds():
        for number in range(400):
            one = Breakable()
            pause = dice.random() * 0.002
            breaker = threading.Timer(pause, one.break_off)
            breaker.start()
            until = time.perf_counter() + dice.random() * 0.002

            def work(until=until):
                count = 0
                while time.perf_counter() < until:
                    count += 1
                return count

            if one.run(work) is None:
                hits[0] += 1
            for _ in range(200):  # the place's own: an exception here would end `rounds`
                number += 1
            breaker.join()
            for _ in range(200):
                number += 1
        return "whole"

    thread, found = in_a_thread(rounds)
    thread.join(60)
    assert found == ["whole"]
    assert 20 < hits[0] < 400


def test_what_is_sent_as_the_work_ends_is_waited_for(monkeypatch):
    """The one who sends is slow: the thread must not go on with something else meanwhile."""
    sent = breaking._raise_in
    about_to, may_end = threading.Event(), threading.Event()

    def slowly(thread, kind):
        if kind is not None:
            about_to.set()
            time.sleep(0.2)
        sent(thread, kind)

    monkeypatch.setattr(breaking, "_raise_in", slowly)
    one = Breakable()

    def work():
        one.run(lambda: may_end.wait(5))
        for _ in range(1000):
            time.sleep(0.0005)
        return "whole"

    thread, found = in_a_thread(work)
    breaker, _ = in_a_thread(one.break_off)
    about_to.wait(5)
    may_end.set()
    for one_of_both in (thread, breaker):
        one_of_both.join(10)
    assert found == ["whole"]


class Ledger:
    """Of a place: to be changed as a whole."""

    def __init__(self):
        self.lock = threading.Lock()
        self.left = self.right = 0

    def write(self):
        with self.lock:
            self.left += 1
            for _ in range(50):
                pass
            self.right += 1


def test_what_is_the_places_own_is_not_cut_off_in_the_middle(often):
    ledger = Ledger()

    for number in range(200):
        one = Breakable()
        seen = Shielded(ledger)

        def work(seen=seen):
            while True:
                seen.write()

        thread, found = in_a_thread(lambda one=one, work=work: one.run(work))
        time.sleep(0.0005 * (number % 4))
        one.break_off()
        thread.join(5)
        assert found == [None]
        assert ledger.left == ledger.right and not ledger.lock.locked()


def test_a_shielded_object_is_seen_through():
    class Thing:
        name = "thing"

        def twice(self, n):
            return 2 * n

    seen = Shielded(Thing())
    assert (seen.name, seen.twice(4)) == ("thing", 8)
    with pytest.raises(AttributeError):
        _ = seen.missing
