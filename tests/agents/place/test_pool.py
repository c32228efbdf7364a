"""The pool of threads, the timers, and what a place costs: threads and memory, while it runs and after its end."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc

import pytest

from agents import agent, hop, receive, sleep
from agents.place import PlaceOptions
from agents.place.stepping import StepPool, Timers
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, ours, until


@pytest.fixture
def failures():
    """What tasks raised; none unless a test says so."""
    found: list[BaseException] = []
    yield found
    assert not found


def test_a_long_task_keeps_no_other_waiting(failures):
    """Also when as many long ones as there are usual threads were begun together with a short one."""
    pool = StepPool(usual=2, most=8, failed=failures.append)
    try:
        for _ in range(20):
            gate, short = threading.Event(), threading.Event()
            for _ in range(4):
                pool.submit(lambda gate=gate: gate.wait(5))
            pool.submit(short.set)
            assert short.wait(2), "the short one waits for a long one"
            gate.set()
    finally:
        assert pool.close(5)


def test_two_tasks_for_one_idle_thread(failures):
    """The second must not wait for the first, though the thread looked idle for both."""
    pool = StepPool(usual=1, most=4, failed=failures.append)
    try:
        for _ in range(50):
            ready = threading.Event()
            pool.submit(ready.set)
            assert ready.wait(2)
            time.sleep(0.001)
            gate, short = threading.Event(), threading.Event()
            pool.submit(lambda gate=gate: gate.wait(5))
            pool.submit(short.set)
            assert short.wait(2)
            gate.set()
    finally:
        assert pool.close(5)


def test_the_pool_has_a_bound_and_does_all_it_was_given(failures):
    pool = StepPool(usual=2, most=5, failed=failures.append)
    done = []
    most = 0
    try:
        for number in range(60):
            pool.submit(lambda number=number: (time.sleep(0.03), done.append(number)))
        while len(done) < 60:
            most = max(most, pool.threads)
            time.sleep(0.005)
        assert sorted(done) == list(range(60)) and 2 < most <= 5
    finally:
        assert pool.close(5)


def test_a_task_that_raises_ends_no_thread():
    """Not even by SystemExit; the defect is told."""
    failures = []
    pool = StepPool(usual=1, most=1, failed=failures.append)
    try:
        for error in (ValueError, SystemExit, KeyboardInterrupt):
            pool.submit(lambda error=error: (_ for _ in ()).throw(error("oh")))
        ready = threading.Event()
        pool.submit(ready.set)
        assert ready.wait(2)
        assert [type(error) for error in failures] == [ValueError, SystemExit, KeyboardInterrupt]
    finally:
        assert pool.close(5)


def test_timers_call_in_the_order_of_their_times(failures):
    timers = Timers(failed=failures.append)
    told = []
    try:
        for delay in (0.15, 0.05, 0.1, 0.0, 1000, 1e12):
            timers.after(delay, lambda delay=delay: told.append(delay))
        assert until(lambda: len(told) == 4, 3)
        assert told == [0.0, 0.05, 0.1, 0.15]
    finally:
        timers.close(2)
    assert not timers._thread.is_alive()


@agent
def computes(here, seconds):
    import time

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return here.name


@agent
def blocks(here, seconds):
    import time

    time.sleep(seconds)
    return here.name


@agent
def passes(here, to):
    yield
    here = yield hop(to)
    yield sleep(0.01)
    return here.name


def test_agents_that_compute_for_long_block_neither_others_nor_arrivals():
    """Eight that do not yield for one and a half seconds, on a place with two usual threads."""
    options = PlaceOptions(usual_steps=2)
    with LocalPlatform(PLACES, options=options) as platform:
        busy = [platform.launch(blocks, 1.5, at="oslo") for _ in range(8)]
        time.sleep(0.2)
        others = [platform.launch(passes, "oslo", at="baku") for _ in range(10)]
        for other in others:
            assert other.result(timeout=10) == "oslo"
        still = [handle.status().state for handle in busy]
        assert still == ["running"] * 8, "the others were done while these computed"
        for handle in busy:
            assert handle.result(timeout=30) == "oslo"


@agent
def sleeps(here, seconds):
    yield sleep(seconds)
    return here.name


def test_thousands_of_sleeping_agents_cost_memory_and_no_threads(platform):
    """Threads are counted before and after; the memory of each is bounded."""
    place = platform.running["baku"]
    warm = [platform.launch(sleeps, 1000, at="baku") for _ in range(10)]
    gc.collect()
    threads = place.core.pool.threads
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    count = 300
    for _ in range(count):
        platform.launch(sleeps, 1000, at="baku")
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    assert place.core.pool.threads <= max(threads, 4)
    assert each < 40_000, f"{each:.0f} bytes for each sleeping agent"
    assert len(place.core.timers._heap) <= count + len(warm) + 1  # one looks after all lifetimes


@agent
def hears_much(here, count):
    for _ in range(count):
        yield receive(60.0)
    return count


def test_timers_do_not_pile_up_under_many_messages(platform):
    """Each receive has another deadline; one timer for the agent is enough."""
    handle = platform.launch(hears_much, 200, at="baku")
    for number in range(200):
        handle.send(number)
    assert handle.result(timeout=20) == 200
    assert len(platform.running["baku"].core.timers._heap) < 10


@agent
def comes_and_goes(here, rounds):
    for _ in range(rounds):
        here = yield hop("oslo" if here.name == "baku" else "baku")
        message = yield receive(1000.0)
    return rounds


def test_an_agent_that_comes_and_goes_leaves_no_timers(platform):
    handle = platform.launch(comes_and_goes, 60, at="baku")
    for number in range(60):
        handle.send(number, timeout=10)
    assert handle.result(timeout=20) == 60
    assert sum(len(place.core.timers._heap) for place in platform.running.values()) < 10


def test_what_is_kept_of_agents_that_have_left_is_small_and_bounded():
    options = PlaceOptions(most_marks=50)
    with LocalPlatform(PLACES, options=options) as platform:
        handles = [platform.launch(passes, "oslo", at="baku") for _ in range(120)]
        for handle in handles:
            handle.result(timeout=20)
        residents = platform.running["baku"].core.residents()
        assert len(residents) <= 51
        assert all(
            r.cell is None and r.luggage is None and r.passport is None and r.outbound is None for r in residents
        )
        for resident in residents[:5]:
            assert _size(resident) < 5_000, _size(resident)
        # an agent whose mark was dropped is still found, by the directory
        late = platform.launch(passes_slowly, at="baku")
        until(lambda: late.place() == "oslo")
        for _ in range(120):
            platform.launch(passes, "lima", at="baku").result(timeout=20)
        late.client._hints[late.agent] = "baku"
        late.send("found", timeout=5)
        assert late.result(timeout=10) == "found"


@agent
def passes_slowly(here):
    here = yield hop("oslo")
    return (yield receive()).value


def _size(thing, seen=None) -> int:
    """Bytes of a resident with all that only it holds."""
    import sys
    from types import FunctionType, ModuleType

    seen = seen if seen is not None else set()
    if id(thing) in seen or isinstance(thing, (type, ModuleType, FunctionType)):
        return 0
    seen.add(id(thing))
    return sys.getsizeof(thing) + sum(_size(part, seen) for part in gc.get_referents(thing))


def test_nothing_is_left_running_after_close():
    """Threads are counted; also when an agent computes, sleeps, waits and calls at that moment."""
    gc.collect()
    assert until(lambda: not ours(), 10), ours()
    platform = LocalPlatform(PLACES)
    for function, *args in ((computes, 0.5), (sleeps, 100.0), (hears_much, 3), (calls_long, 0.5)):
        platform.launch(function, *args, at="baku")
    time.sleep(0.1)
    platform.kill("oslo")
    platform.start("oslo")
    platform.close()
    platform.close()
    assert until(lambda: not ours(), 5), ours()


@agent
def calls_long(here, seconds):
    import time

    from agents import call

    yield call(time.sleep, seconds)


@agent
def notes_its_end(here):
    try:
        yield receive()
    finally:
        here.resource("story").append("its finally block ran")


@pytest.mark.parametrize("how", ["close", "kill"])
def test_a_place_that_ends_runs_nothing_of_its_agents(how, tmp_path):
    """They come back from their checkpoints: a finally block that ran here as well would have run twice."""
    story: list[str] = []
    with LocalPlatform(PLACES, folder=tmp_path, resources={"baku": {"story": story}}) as platform:
        handle = platform.launch(notes_its_end, at="baku")
        assert until(lambda: handle.status().state == "waiting")
        place = platform.running["baku"]
        if how == "kill":
            platform.kill("baku")
        else:
            platform.running.pop("baku")
            place.close(timeout=2)
        del place
        gc.collect()
        platform.start("baku")
        handle.send("end")
        handle.result(timeout=10)
        assert story == ["its finally block ran"]
