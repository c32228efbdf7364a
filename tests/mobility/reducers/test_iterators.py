"""An iterator that moved goes on as the original would, on every version, and the original goes on too."""

from __future__ import annotations

import collections
import gc
import itertools
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.reducers import _fields, _itertools, _quiet, iterators
from mobility.reducers.refusal import Refused
from mobility.testing.interpreters import Interpreter, found
from tests.mobility.reducers import moving
from tests.mobility.reducers.moving import advance, move, namespace, pack, rest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", moving.CASES)
def test_goes_on_from_every_place(name: str) -> None:
    # Protects: values, errors and exhaustion after a move from any state, and the original being left alone by it.
    def check(name: str, steps: int, data: bytes, expected: list[Any]) -> None:
        assert rest(advance(moving.CASES[name](), steps)) == expected, "the capture changed the original"
        assert rest(pickle.loads(data)) == expected

    moving.outcomes([name], check)


@pytest.mark.parametrize("name", moving.CASES)
def test_moves_after_every_step(name: str) -> None:
    # Protects: an iterator that was restored can itself be captured, and does not grow from move to move.
    stays, moves = moving.CASES[name](), moving.CASES[name]()
    sizes = []
    for _ in range(14):
        data = pack(moves)
        sizes.append(len(data))
        moves = pickle.loads(data)
        assert rest(stays, 1) == rest(moves, 1)
    assert max(sizes) < sizes[0] + 120


@pytest.mark.parametrize("name", moving.CASES)
def test_captured_twice_in_a_row(name: str) -> None:
    # Protects: a snapshot of what was restored and not yet stepped.
    for steps in moving.STEPS:
        expected = rest(advance(moving.CASES[name](), steps))
        assert rest(move(move(move(advance(moving.CASES[name](), steps))))) == expected


def _run(interpreter: Interpreter, command: str, data: bytes = b"") -> bytes:
    done = subprocess.run(
        [interpreter.path, "-W", "error", "-c", f"from tests.mobility.reducers import moving; moving.{command}()"],
        input=data,
        capture_output=True,
        env={**interpreter.environment(ROOT), "PYTHONHASHSEED": "random"},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _interpreters() -> list[Interpreter]:
    return [interpreter for interpreter in found() if interpreter.minor <= (3, 13)]


@pytest.mark.parametrize("here", _interpreters(), ids=str)
def test_every_version_reads_every_other(here: Interpreter) -> None:
    # Protects: the names and forms in the snapshots are the same on all versions, and nothing warns.
    data = _run(here, "dump")
    assert len(pickle.loads(data)) >= len(moving.STEPS) * 120
    for there in _interpreters():
        assert _run(there, "load", data).decode() == "", f"{here} -> {there}"


sequences = st.lists(
    st.one_of(st.integers(-3, 3), st.none(), st.text(max_size=2), st.floats(allow_nan=False)), max_size=12
)
laws: dict[str, Any] = {
    "list": iter,
    "tuple": lambda x: iter(tuple(x)),
    "reversed": reversed,
    "deque": lambda x: iter(collections.deque(x)),
    "set": lambda x: iter(set(x)),
    "frozenset": lambda x: iter(frozenset(x)),
    "dict": lambda x: iter(dict.fromkeys(x)),
    "items": lambda x: reversed(dict(enumerate(x)).items()),
    "accumulate": lambda x: itertools.accumulate(x, moving.latter),
    "cycle": itertools.cycle,
    "chain": lambda x: itertools.chain(x, x[::-1], "ab"),
    "combinations": lambda x: itertools.combinations(x, 2),
    "permutations": lambda x: itertools.permutations(x[:4]),
    "product": lambda x: itertools.product(x[:3], x[:3]),
    "groupby": lambda x: itertools.groupby(x, type),
    "islice": lambda x: itertools.islice(x, 1, 9, 2),
    "pairwise": itertools.pairwise,
    "tee": lambda x: itertools.tee(x)[1],
    "zip_longest": lambda x: itertools.zip_longest(x, x[:2], fillvalue=0),
}


@pytest.mark.parametrize("law", laws)
@given(elements=sequences, steps=st.integers(0, 15))
def test_any_elements_any_place(law: str, elements: list[Any], steps: int) -> None:
    # Protects: the law, for any elements and any number of steps, equal ones and None among them.
    it = advance(laws[law](elements), steps)
    again = move(it)
    assert rest(again, 40) == rest(it, 40)


@given(st.integers(), st.integers(-20, 20), st.sampled_from([-3, -1, 1, 2, 2**66]), st.integers(0, 30))
def test_any_range(start: int, length: int, step: int, steps: int) -> None:
    # Protects: ranges of either sign and of any size keep every number, and keep the iterator's type.
    it = advance(iter(range(start, start + length * step, step)), steps)
    again = move(it)
    assert rest(again, 40) == rest(it, 40)


def test_a_range_loop_is_small() -> None:
    # Protects: the budget of a snapshot with a loop over a range. What follows the name of the function is 12 bytes.
    it = advance(iter(range(100)), 3)
    names = len(iterators.steps.__module__) + len("steps") + 2 * 3
    assert len(pack(it)) - names <= 26 < len(pickle.dumps(it, 5))
    assert type(move(it)) is type(it)


@given(st.integers(0, 9), st.integers(0, 9), st.sampled_from([1, 2]))
def test_any_range_object(start: int, stop: int, step: int) -> None:
    # Protects: the short forms of a range say the same as the long one.
    again = move(range(start, stop, step))
    assert (again.start, again.stop, again.step) == (start, stop, step)


# --- dicts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [dict, collections.OrderedDict, collections.Counter])
def test_dict_iterator_is_genuine_and_of_the_same_dict(make: Any) -> None:
    # Protects: later writes are seen, and a change of size is still an error, as with the original.
    table = make({"a": 1, "b": 2, "c": 3})
    both = namespace(table=table, it=advance(iter(table.items()), 1), keys=iter(table))
    again = move(both)
    again.table["c"] = 30
    assert type(again.it) is type(both.it)
    assert rest(again.it) == [("b", 2), ("c", 30), "end", "end"]
    del again.table["a"]
    with pytest.raises(RuntimeError, match="changed size|mutated"):
        next(again.keys)
    assert table["c"] == 3


@pytest.mark.parametrize("make", [dict, collections.OrderedDict])
@pytest.mark.parametrize("walk", ["keys", "values", "items"])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("noticed", [False, True])
def test_dict_that_changed_before_the_capture(make: Any, walk: str, backward: bool, noticed: bool) -> None:
    # Protects: an error that is due is not lost by the move. A dict's iterator keeps raising it, an OrderedDict's does
    # so once.
    table = make({"a": 1, "b": 2})
    it = (reversed if backward else iter)(getattr(table, walk)())
    next(it)
    table["c"] = 3
    if noticed:
        rest(it, 1)
    again = move(namespace(table=table, it=it)).it
    expected = rest(it, 2)
    assert ("RuntimeError" in str(expected)) == (make is dict or not noticed)
    assert rest(again, 2) == expected


def test_keys_deleted_and_added_in_equal_number() -> None:
    # Protects: the place is counted in entries of the dict as it is, not by the iterator's own countdown.
    table = {"a": 1, "b": 2, "c": 3}
    it = advance(iter(table), 2)
    del table["c"]
    table["d"] = 4
    again = move(it)
    assert rest(again) == rest(it) == ["d", "end", "end"]


def test_keys_replaced_behind_the_iterator() -> None:
    # Protects: what would meet "keys changed" natively does so after the move, or is refused, never goes on elsewhere.
    table = {"a": 1, "b": 2}
    it = advance(iter(table), 2)
    del table["a"]
    table["c"] = 3
    again = move(it)
    assert rest(again) == rest(it) == [("RuntimeError", "dictionary keys changed during iteration"), "end", "end"]

    table = {"a": 1, "b": 2, "c": 3}
    it = advance(iter(table), 2)
    del table["a"]
    table["d"] = 3
    with pytest.raises(Refused, match="list of its keys"):
        pack(it)
    assert next(it) == "c", "the refused capture changed the original"


def test_dict_with_holes() -> None:
    # Protects: entries deleted before the iteration do not count; the restored dict has no holes.
    table = dict.fromkeys(range(20))
    for key in range(0, 20, 3):
        del table[key]
    it = advance(iter(table), 5)
    assert rest(move(it), 30) == rest(it, 30)


def test_dict_that_holds_its_iterator() -> None:
    # Protects: a cycle through the dict; it is not yet filled when its iterator is made.
    table: dict[str, Any] = {"a": 1}
    table["it"] = iter(table.items())
    table["b"] = 2
    table["it"] = advance(iter(table), 1)
    again = move(table)
    assert rest(move(again)["it"]) == rest(again["it"]) == ["it", "b", "end", "end"]
    queue: collections.deque[Any] = collections.deque([1])
    queue.extend([0, 2])
    queue[1] = advance(iter(queue), 1)
    again_queue = move(queue)
    assert next(again_queue[1]) is again_queue[1]
    late = move(table)
    del late["b"]
    assert rest(late["it"], 1) == [("RuntimeError", "dictionary changed size during iteration")]


@pytest.mark.parametrize("make", [dict, collections.OrderedDict, moving.Table])
def test_views_stay_with_their_dict(make: Any) -> None:
    # Protects: a view in a variable shows the restored dict, as live as the original one.
    table = make(a=1, b=2)
    base = collections.OrderedDict if isinstance(table, collections.OrderedDict) else dict
    both = namespace(keys=base.keys(table), values=base.values(table), items=base.items(table), table=table)
    again = move(both)
    again.table["c"] = 3
    assert (list(again.keys), list(again.values), list(again.items)) == (
        ["a", "b", "c"],
        [1, 2, 3],
        [("a", 1), ("b", 2), ("c", 3)],
    )
    assert type(again.keys) is type(both.keys)
    assert gc.get_referents(again.keys)[0] is again.table


# --- sets and deques -------------------------------------------------------------------------------------------------


def test_set_keeps_the_order_of_the_original() -> None:
    # Protects: each element comes once, though strings hash otherwise at the destination.
    program = (
        "import pickle, sys; both = pickle.load(sys.stdin.buffer); print(*both.it); print(*both.elements - {'never'})"
    )
    elements = {f"word {number}" for number in range(50)}
    it = iter(elements)
    passed = [next(it) for _ in range(20)]
    data = pack(namespace(it=it, elements=elements))
    expected = " ".join(it)
    orders = set()
    for seed in "12":
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=data,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            check=True,
        )
        line, order = done.stdout.decode().splitlines()
        assert line == expected
        orders.add(order)
    assert len(orders) == 2, "the destinations did not hash differently: this test showed nothing"
    assert len(passed) == 20


def test_set_that_changes_after_the_move() -> None:
    # Protects: the error about a changed size, which stays, and that a set's lost elements are not given.
    both = move(namespace(elements=(elements := {1, 2, 3, 4}), it=advance(iter(elements), 1)))
    both.elements.add(9)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="^Set changed size during iteration$"):
            next(both.it)
    again = move(both)
    again.elements.discard(9)
    with pytest.raises(RuntimeError):
        next(again.it)

    both = move(namespace(elements=elements, it=advance(iter(elements), 1)))
    both.elements.discard(3)
    both.elements.add(-1)
    assert 3 not in list(both.it)


def test_set_that_changed_before_the_capture() -> None:
    # Protects: the error that is due.
    elements = {1, 2, 3}
    it = advance(iter(elements), 1)
    elements.add(4)
    again = move(it)
    assert rest(again, 2) == rest(it, 2) == [("RuntimeError", "Set changed size during iteration")] * 2


def test_set_iterator_length_hint() -> None:
    # Protects: list() of a restored iterator allots as it would natively.
    it = advance(iter({1, 2, 3}), 1)
    again = move(it)
    assert again.__length_hint__() == it.__length_hint__() == 2
    assert [*again] == [*it]
    assert again.__length_hint__() == 0


@pytest.mark.parametrize("walk", [iter, reversed])
def test_deque_that_changes(walk: Any) -> None:
    # Protects: "deque mutated", due from before the capture and after it.
    queue = collections.deque([1, 2, 3])
    it = walk(queue)
    next(it)
    both = move(namespace(queue=queue, it=it))
    both.queue.append(4)
    with pytest.raises(RuntimeError, match="^deque mutated during iteration$"):
        next(both.it)
    queue.append(queue.popleft())
    again = move(it)
    due = ("RuntimeError", "deque mutated during iteration")
    assert rest(again, 2) == rest(it, 2) == ([due, due] if walk is iter else [due, "end"])
    it = advance(walk(queue), 4)
    queue.append(queue.popleft())
    again = move(it)
    assert rest(again, 2) == rest(it, 2) == ([due, due] if walk is iter else ["end", "end"])


def test_hidden_tuple_drops_what_was_passed() -> None:
    # Protects: what a chain has used up need not be able to move, or take room.
    it = itertools.chain(iter(b"x" * 1000), [threading.Lock()][:0], [1, 2])
    advance(it, 1001)
    assert len(pack(it)) < 300
    assert rest(move(it)) == rest(it) == [2, "end", "end"]
    it = itertools.chain(re.finditer("a", "a"), [1, 2])
    advance(it, 2)
    assert next(move(it)) == 2


# --- itertools -------------------------------------------------------------------------------------------------------


def test_two_iterators_over_one_source() -> None:
    # Protects: identity of what lies beneath; both draw from the same restored iterator.
    source = iter("abcdefgh")
    both = namespace(source=source, pairs=itertools.pairwise(source), ahead=itertools.islice(source, 0, None, 2))
    next(both.pairs), next(both.ahead)
    again = move(both)

    def draw(them: types.SimpleNamespace) -> list[Any]:
        return [next(them.source), next(them.pairs), next(them.ahead), *them.source]

    assert draw(again) == draw(both)


def test_branches_of_a_tee_share_their_data() -> None:
    # Protects: each element is drawn from the source once, whichever branch is ahead, and is the same object for both.
    first, second, third = itertools.tee(map(lambda_free, range(200)), 3)
    advance(first, 150)
    advance(second, 60)
    again = move(namespace(first=first, second=second, third=third))
    ends = [next(again.first) for _ in range(50)]
    assert rest(again.first) == ["end", "end"]
    seconds, thirds = list(again.second), list(again.third)
    assert [len(ends), len(seconds), len(thirds)] == [50, 140, 200]
    assert all(a is b for a, b in zip(seconds, thirds[60:], strict=True))
    assert list(map(int, thirds)) == list(range(200)) == list(map(int, third))


def lambda_free(x: int) -> collections.UserString:
    return collections.UserString(str(x))


def test_long_backlog_of_a_tee() -> None:
    # Protects: against the recursion limit, which the nest of links would meet from some 20,000 elements on.
    slow, fast = itertools.tee(range(200_000))
    collections.deque(itertools.islice(fast, 150_000), maxlen=0)
    again = move(namespace(slow=slow, fast=fast))
    assert sum(1 for a, b in zip(again.slow, range(200_000), strict=True) if a != b) == 0
    assert next(again.fast) == 150_000
    # They still share: the fast one draws no more than is left.
    assert sum(1 for _ in again.fast) == 49_999


@pytest.mark.parametrize("taken", range(5))
@pytest.mark.parametrize("first_outer", [False, True])
def test_group_and_its_groupby(taken: int, first_outer: bool) -> None:
    # Protects: the state after a value was given out, of which pickle's own form knows nothing: without it the outer
    # iterator would start a second group of the same key.
    def make() -> types.SimpleNamespace:
        groups = itertools.groupby([1, 1, 1, 2, 2], moving.small)
        key, group = next(groups)
        advance(group, taken)
        return namespace(group=group, groups=groups) if first_outer else namespace(groups=groups, group=group)

    def inner_first(them: types.SimpleNamespace) -> list[Any]:
        return [*them.group, *((key, list(group)) for key, group in them.groups), *them.group]

    def outer_first(them: types.SimpleNamespace) -> list[Any]:
        return [*((key, list(group)) for key, group in them.groups), *them.group]

    for use in inner_first, outer_first:
        assert use(move(make())) == use(make())
        assert use(move(move(make()))) == use(make())


def test_group_that_was_left_behind() -> None:
    # Protects: a group that ended because the groupby went on does not come alive by a move.
    groups = itertools.groupby("aabb")
    (_, first), (_, second) = next(groups), next(groups)
    again = move(namespace(groups=groups, first=first, second=second))
    assert list(again.first) == []
    assert list(again.second) == ["b", "b"]
    assert list(again.groups) == []


def test_predicate_that_has_done_its_work_stays_behind() -> None:
    # Protects: a lambda that is not asked again does not hinder the move.
    dropping = advance(itertools.dropwhile(lambda x: x < 2, [1, 2, 1]), 1)
    taking = advance(itertools.takewhile(lambda x: x < 2, [1, 2, 1]), 2)
    assert (rest(move(dropping)), rest(move(taking))) == ([1, "end", "end"], ["end", "end"])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="itertools.batched is of 3.12")
def test_batched_of_any_size() -> None:
    # Protects: the size that is read out of the object, also where it does not fit in 32 bits. (Not stepped: the
    # interpreter would make room for a whole batch.)
    read = _fields.batched_reader()
    assert read is not None
    for size in (1, 2, 255, 256, 2**31, 2**40):
        it = itertools.batched(range(5), size)
        assert read(it) == read(move(it)) == (size, False)


@given(st.text(max_size=7), st.integers(1, 4), st.booleans(), st.integers(0, 4))
def test_own_batched(text: str, size: int, strict: bool, steps: int) -> None:
    # Protects: the stand-in on versions without itertools.batched, in the documented behaviour of 3.13.
    batches = [tuple(text[at : at + size]) for at in range(0, len(text), size)]
    expected: list[Any] = [*batches, "end", "end"]
    if strict and len(text) % size:
        expected[-3] = ("ValueError", "batched(): incomplete batch")
    it = advance(_itertools.Batched(iter(text), size, strict), steps)
    again = move(it)
    left = expected[min(steps, len(expected) - 2) :]
    assert rest(again) == rest(it) == left


def test_own_batched_ends_at_an_error() -> None:
    # Protects: as itertools.batched does, the stand-in lets go of a source that failed.
    it = _itertools.Batched(moving.Countdown(6, 2), 3, False)
    assert rest(move(it)) == [(5, 4, 3), ("ValueError", "no 2"), "end", "end"]


def test_without_the_hidden_fields_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Protects: on an interpreter laid out otherwise nothing is guessed.
    monkeypatch.setattr(_fields, "ordered_reader", lambda: None)
    monkeypatch.setattr(_fields, "batched_reader", lambda: None)
    with pytest.raises(Refused, match="OrderedDict"):
        pack(iter(collections.OrderedDict(a=1)))
    if sys.version_info >= (3, 12):
        with pytest.raises(Refused, match="list of it first"):
            pack(itertools.batched("abc", 2))
    monkeypatch.setattr(_fields, "stale_reader", lambda: None)
    assert rest(move(iter(collections.deque([1])))) == [1, "end", "end"]


def test_wrong_reader_is_found_out() -> None:
    # Protects: the self-test can fail; a wrong answer and an error both give None.
    assert _fields._proved(lambda value: 1, lambda: [(0, 1), (0, 2)]) is None
    assert _fields._proved(lambda value: value.missing, lambda: [(0, 1)]) is None
    assert _fields._proved(int, lambda: [("3", 3)]) is int


def test_itertools_without_reduce_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Protects: from Python 3.14 on, where itertools cannot be pickled, the answer is a remedy.
    class count:
        pass

    with pytest.raises(Refused, match=re.escape("an itertools.count on this Python cannot move. Make a list of it")):
        _itertools._reduced(count())


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: re.finditer("a", "aa"), "list(re.finditer"),
        (lambda: iter(memoryview(b"ab")), "bytes(view)"),
        (lambda: enumerate(re.finditer("a", "aa")), "list(re.finditer"),
    ],
)
def test_refused_with_a_remedy(make: Any, remedy: str) -> None:
    # Protects: what hides its place is refused with the way out, also when it is inside another iterator.
    it = make()
    with pytest.raises(Refused) as caught:
        pack(it)
    assert remedy in caught.value.remedy
    assert len(list(it)) == 2, "the refused capture changed the original"


def test_refused_survives_pickle() -> None:
    # Protects: the error reaches another process with both its parts.
    again = pickle.loads(pickle.dumps(Refused("a lock", "Make it anew.")))
    assert (again.what, again.remedy, str(again)) == ("a lock", "Make it anew.", "a lock cannot move. Make it anew.")


# --- warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["error", "always", "default", "once", "module", "ignore"])
def test_no_warning_whatever_the_filters(action: Any) -> None:
    # Protects: neither capture nor load warns, and the filters of the process are not touched.
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter(action)
        filters = list(warnings.filters)
        for _ in range(3):
            it = advance(itertools.combinations("abcd", 2), 2)
            assert rest(move(it)) == rest(it)
        assert warnings.filters == filters
    assert shown == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="only later versions warn")
def test_the_users_own_call_still_warns() -> None:
    # Protects: only our calls are silent.
    move(itertools.count())
    with pytest.warns(DeprecationWarning, match="itertools"):
        itertools.count().__reduce__()


def test_other_errors_pass_through() -> None:
    # Protects: only that one message is silenced; whatever else the call raises is not repeated or lost.
    calls = []

    def fail(kind: type[Exception], it: Any) -> None:
        calls.append(it)
        raise kind("other")

    for kind in (DeprecationWarning, TypeError):
        with pytest.raises(kind, match="other"):
            _quiet._quietly(lambda it, kind=kind: fail(kind, it), 1)
    assert calls == [1, 1]


def test_capture_while_other_threads_change_the_filters() -> None:
    # Protects: a capture does not fail when the filters change in its midst, even if warnings are errors.
    stop = threading.Event()
    failures: list[BaseException] = []

    def change() -> None:
        while not stop.is_set():
            warnings.simplefilter("error", DeprecationWarning, append=bool(random.getrandbits(1)))

    def capture() -> None:
        try:
            for number in range(300):
                assert next(move(itertools.count(number))) == number
        except BaseException as error:
            failures.append(error)

    with warnings.catch_warnings():
        changer = threading.Thread(target=change)
        capturers = [threading.Thread(target=capture) for _ in range(2)]
        for thread in (changer, *capturers):
            thread.start()
        for thread in capturers:
            thread.join()
        stop.set()
        changer.join()
    assert failures == []
