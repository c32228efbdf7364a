"""Within one snapshot, what was one object is one object, and cycles are cycles."""

import gc
from typing import Any

import pytest

from mobility import discard, dumps, loads, resumable
from tests.mobility.resumable.helpers import move


class Node:
    """Refers to others."""


@resumable
def two_names(value):
    other = value
    held = [value, {"k": value}]
    yield 1
    yield other is value, held[0] is value, held[1]["k"] is other


@resumable
def in_hidden_places(values):
    for value in values:
        with value as entered:
            first = [value, (yield 1), values]
            yield first[0] is value, entered is value, first[2] is values, values[0] is value
            values.append(None)
            yield len(values)
            break


class Manager:
    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *details: object) -> None:
        pass


@pytest.mark.parametrize("value", [[], {}, Node(), bytearray(b"x"), {1}, object], ids=lambda v: type(v).__name__)
def test_two_variables_stay_one_object(value: Any) -> None:
    """Whatever the object, wherever the second reference stands."""
    generator = two_names(value)
    next(generator)
    assert next(move(generator)) == (True, True, True)


def test_hidden_places_share_with_variables() -> None:
    """The iterator of a loop walks the user's list; manager and waiting operand are the user's objects."""
    generator = in_hidden_places([Manager(), Manager()])
    next(generator)
    generator = move(generator)
    assert next(generator) == (True, True, True, True)
    assert next(move(generator)) == 3


@resumable
def growing(items):
    for item in items:
        yield item
        if item < 3:
            items.append(item + 1)


def test_a_list_that_grows_while_it_is_walked() -> None:
    """The loop sees what the body appends, because both hold the same list."""
    generator = growing([0])
    values = [next(generator)]
    for _ in range(3):
        generator = move(generator)
        values.append(next(generator))
    assert values == [0, 1, 2, 3]


@resumable
def cyclic():
    loop: list[Any] = []
    loop.append(loop)
    table: dict[str, Any] = {}
    table["self"] = table
    table["loop"] = loop
    node = Node()
    node.me = node
    node.table = (table, node)
    yield 1
    yield loop[0] is loop, table["self"] is table, table["loop"] is loop, node.me is node, node.table[1] is node


def test_cycles_through_containers_and_objects() -> None:
    """They decode as they were."""
    generator = cyclic()
    next(generator)
    assert next(move(move(generator))) == (True,) * 5


@resumable
def holding_itself(how):
    me = yield "give me"
    node = Node()
    node.generator = me
    kept = {"plain": me, "list": [me], "object": node, "tuple": (me,), "cell": lambda: me}[how]
    del node
    me = None if how != "cell" else me
    got = yield kept
    yield got


@pytest.mark.parametrize("how", ["plain", "list", "object", "tuple", "cell"])
def test_a_cycle_through_the_generator_itself(how: str) -> None:
    """A generator that holds itself, directly or by way of others."""
    get: Any = {
        "plain": lambda v: v, "list": lambda v: v[0], "object": lambda v: v.generator, "tuple": lambda v: v[0],
        "cell": lambda v: v(),
    }[how]  # fmt: skip
    generator = holding_itself(how)
    next(generator)
    assert get(generator.send(generator)) is generator
    moved = move(generator)
    frame = moved.gi_frame.f_locals
    assert get(frame["kept"]) is moved
    assert moved.send("x") == "x"
    discard(moved)
    gc.collect()


@resumable
def sharing():
    def step():
        nonlocal count
        count += 1
        return count

    count = 0
    seen = [step]
    yield step
    yield count
    seen[0]()
    yield count, seen[0] is step


def test_a_variable_stays_shared_with_the_functions_that_capture_it() -> None:
    """One cell: what the restored function changes, the restored generator sees."""
    generator = sharing()
    next(generator)
    moved = move(generator)
    step = moved.gi_frame.f_locals["step"]
    assert step() == 1
    assert next(moved) == 1
    assert next(move(moved)) == (2, True)


def pair():
    shared = 0
    box: list[int] = []

    @resumable
    def writer():
        nonlocal shared
        while True:
            shared += 1
            box.append(shared)
            yield shared

    @resumable
    def reader():
        while True:
            yield shared, list(box), box

    return writer(), reader()


@resumable
def making_two():
    shared = 0
    box: list[int] = []

    @resumable
    def writer():
        nonlocal shared
        while True:
            shared += 1
            box.append(shared)
            yield shared

    def get():
        return shared

    two = [writer(), (get() for _ in range(9)), writer()]
    for generator in two:
        next(generator)
    while True:
        yield two, shared, box


def test_two_generators_share_a_cell_and_a_list() -> None:
    """Captured together, they still do; the originals share nothing with them."""
    writer, reader = pair()
    next(writer), next(reader)
    w, r = loads(dumps((writer, reader)))
    next(w)
    assert next(r)[:2] == (2, [1, 2])
    assert next(reader)[:2] == (1, [1])
    discard(writer), discard(reader)


def test_as_list_and_dict_too() -> None:
    """Any container serves to capture several together, and keeps their order and keys."""
    writer, reader = pair()
    next(writer), next(reader)
    found = loads(dumps({"all": [writer, reader], "again": reader}))
    assert found["again"] is found["all"][1]
    next(found["all"][0])
    assert next(found["again"])[0] == 2


def test_captured_apart_they_share_nothing() -> None:
    """Two snapshots are two worlds."""
    writer, reader = pair()
    next(writer), next(reader)
    w, r = loads(dumps(writer)), loads(dumps(reader))
    next(w), next(w)
    assert next(r)[:2] == (1, [1])


def test_by_a_third_generator() -> None:
    """A generator that holds two others brings what they share, also with itself."""
    generator = making_two()
    next(generator)
    generator = move(generator)
    two, shared, box = next(generator)
    assert (shared, box) == (2, [1, 2])
    next(two[0]), next(two[2])
    assert next(two[1]) == 4
    two, shared, box = next(generator)
    assert (shared, box) == (4, [1, 2, 3, 4])


def test_a_generator_captured_twice_is_one() -> None:
    """Two references to a generator are one generator there."""
    generator = growing([0])
    next(generator)
    one, two = loads(dumps([generator, generator]))
    assert one is two


@resumable
def delegating(inner):
    yield from inner


def test_a_delegate_that_is_also_a_value() -> None:
    """Advanced from either side, as before the move."""
    inner = growing([0])
    outer = delegating(inner)
    next(outer)
    moved_outer, moved_inner = loads(dumps((outer, inner)))
    assert moved_outer.gi_yieldfrom is moved_inner
    assert next(moved_inner) == 1
    assert next(moved_outer) == 2


def test_two_that_delegate_to_the_same() -> None:
    """Each goes on where the other has left it."""
    inner = growing([0])
    one, two = delegating(inner), delegating(inner)
    next(one), next(two)
    moved_one, moved_two = loads(dumps((one, two)))
    assert [next(moved_one), next(moved_two)] == [2, 3]
