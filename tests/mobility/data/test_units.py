"""What a unit is made of, there and back: every kind of unit and of value, through a signed bundle in one process."""

from __future__ import annotations

import abc
import collections
import contextlib
import dataclasses
import enum
import functools
import itertools
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest

from mobility import Birth, Bundle, Identity, TrustStore, capture, pack, resumable, unpack
from mobility.bundle import Encoding, VerifiedBundle
from mobility.code import ForeignCode, SourceMissing
from mobility.data import NotPackable
from mobility.errors import GeneratorRunning, MobilityError, NotMovable
from mobility.resumable.shipped import is_shipped, original_name

LIMIT = 3
JOURNAL: list[str] = []
LOCK = threading.Lock()


class World:
    """An owner, a place, and who trusts them."""

    def __init__(self, folder: Path) -> None:
        self.owner = Identity.generate("owner", "owner")
        self.place = Identity.generate("oslo", "place")
        self.trust = TrustStore(folder)
        self.trust.trust(self.owner.public)
        self.trust.trust(self.place.public)

    def sent(self, unit: Any, **options: Any) -> VerifiedBundle:
        """Packed by the owner, as bytes, and verified."""
        data = bytearray(pack(unit, by=self.owner, **options).to_bytes())
        return Bundle.from_bytes(data).verify(self.trust)

    def moved(self, unit: Any, **options: Any) -> Any:
        return unpack(self.sent(unit, **options))

    def hopped(self, unit: Any) -> Any:
        """Moved twice: by the owner, and on by the place."""
        first = self.sent(unit)
        data = pack(unpack(first), by=self.place, passport=first.passport).to_bytes()
        return unpack(Bundle.from_bytes(bytearray(data)).verify(self.trust))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "trust")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0
    kind: Colour = Colour.RED

    def moved(self, by: float) -> Point:
        return Point(self.x + by, self.y, self.kind)


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...


class Square(Shape):
    made = 0

    def __init__(self, side: float) -> None:
        self.side = side

    def area(self) -> float:
        return self.side**2 * LIMIT


class Pair(NamedTuple):
    a: int
    b: Any


class Trouble(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"trouble {code}")
        self.code = code


def counter(start: int) -> tuple[Callable[[], int], Callable[[], int]]:
    count = start

    def step() -> int:
        nonlocal count
        count += 1
        return count

    def peek() -> int:
        return count

    return step, peek


def maker(base: int) -> type:
    class Local:
        offset = base

        def total(self, n: int) -> int:
            return self.offset + n + base

        def named(self) -> str:
            return super().__repr__()[:1] + Colour.BLUE.name

    return Local


def deep(n: int) -> Callable[[], Callable[[], int]]:
    def outer() -> Callable[[], int]:
        return lambda: n * 2

    return outer


@resumable
def walk(places: list[str]) -> Generator[Any, Any, Any]:
    for number, place in enumerate(places):
        heard = yield number, place
        if heard:
            JOURNAL.append(heard)
    return len(JOURNAL), LIMIT


@resumable
def holding(value: Any) -> Generator[Any, Any, Any]:
    yield value
    yield value
    return value


@resumable
def delegating(values: list[int]) -> Generator[Any, Any, Any]:
    result = yield from walk([str(v) for v in values])
    with contextlib.suppress(Trouble):
        yield "inside"
        raise Trouble(7)
    return result


def plain_function(a: int, *rest: int, key: Any = None) -> Any:
    return a, rest, key, LIMIT, Square(a).area()


# -- kinds of units ---------------------------------------------------------------------------------------------------


def test_a_generator_goes_on_where_it_was(world: World) -> None:
    agent = walk(["a", "b", "c"])
    next(agent)
    there = world.moved(agent)
    assert there.gi_frame.f_lineno == agent.gi_frame.f_lineno
    assert list(there) == [(1, "b"), (2, "c")]
    assert list(agent) == [(1, "b"), (2, "c")]  # the original was not touched


def test_and_after_a_second_hop(world: World) -> None:
    agent = delegating([1, 2, 3])
    next(agent), next(agent)
    assert list(world.hopped(agent)) == [(2, "3"), "inside"]


@pytest.mark.parametrize("steps", range(6))
def test_from_every_suspension(world: World, steps: int) -> None:
    def drained(agent: Generator[Any, Any, Any]) -> tuple[list[Any], Any]:
        yielded = []
        while True:
            try:
                yielded.append(next(agent))
            except StopIteration as end:
                return yielded, end.value

    agent, undisturbed = delegating([1, 2, 3]), delegating([1, 2, 3])
    for _ in range(steps):
        assert next(agent, None) == next(undisturbed, None)
    assert drained(world.hopped(agent)) == drained(undisturbed)


def test_an_execution_state_is_a_unit_too(world: World) -> None:
    agent = delegating([1, 2, 3])
    next(agent)
    state = capture(agent)
    list(agent)
    there = world.hopped(state)
    assert there.gi_frame.f_lineno == state.line
    assert list(there) == [(1, "2"), (2, "3"), "inside"]
    assert (capture(world.moved(state)).line, capture(world.moved(state)).label) == (state.line, state.label)


def test_a_function_travels_with_its_arguments(world: World) -> None:
    there = world.moved(plain_function, args=(2, 3), kwargs={"key": Point(1)})
    assert isinstance(there, functools.partial)
    a, rest, key, limit, area = there()
    assert (a, rest, limit, area) == (2, (3,), 3, 12)
    assert type(key) is not Point and type(key).__qualname__ == "Point" and key.kind.name == "RED"


def test_so_does_a_class(world: World) -> None:
    assert world.moved(Square, args=(2,))().area() == 12


def test_and_a_bound_method(world: World) -> None:
    assert world.moved(Square(3).area)() == 27


def test_an_object_travels_with_its_attributes(world: World) -> None:
    there = world.hopped(Square(2))
    assert there.area() == 12
    assert is_shipped(type(there).__module__)
    assert original_name(type(there).__module__) == __name__


def test_arguments_for_what_takes_none(world: World) -> None:
    with pytest.raises(TypeError, match="arguments go with a function"):
        pack(Square(1), by=world.owner, args=(1,))


def test_weak_mobility_takes_the_code_and_leaves_the_state(world: World) -> None:
    agent = walk(["a", "b"])
    next(agent)
    function = unpack(world.sent(agent), weak=True)
    assert list(function(["x"])) == [(0, "x")]


# -- kinds of values --------------------------------------------------------------------------------------------------

VALUES: dict[str, Callable[[], Any]] = {
    "numbers": lambda: [0, -1, 2**200, 1.5, float("inf"), 1j, True, None],
    "text and bytes": lambda: ["é\n", b"\0\xff", bytearray(b"abc"), "x" * 100_000],
    "containers": lambda: [{1: (2, [3])}, {4}, frozenset({5}), range(3), slice(1, 2)],
    "collections": lambda: [collections.OrderedDict(a=1), collections.Counter("aab"), collections.deque([1], 3)],
    "default dict with a function of the project": lambda: collections.defaultdict(functools.partial(Point, 2)),
    "enum": lambda: [Colour.RED, Colour],
    "dataclass": lambda: Point(1.5, 2, Colour.BLUE),
    "named tuple": lambda: Pair(1, [Pair(2, None)]),
    "exception": lambda: Trouble(3),
    "class": lambda: [Square, Shape, int, Point],
    "function": lambda: [plain_function, len, counter],
    "paths and patterns": lambda: [Path("a/b"), re.compile("a+")],
    "a module": lambda: [itertools, numpy],
    "range iterators and the like": lambda: [iter(range(3)), itertools.count(2), iter([1, 2])],
}


@pytest.mark.parametrize("what", VALUES)
def test_values(world: World, what: str) -> None:
    value = VALUES[what]()
    agent = holding(value)
    next(agent)
    there = next(world.hopped(agent))
    assert _shape(there) == _shape(value)


def _shape(value: Any) -> str:
    """What it is, whichever namespace its classes live in."""
    if isinstance(value, Iterator):
        value = [type(value).__name__, list(itertools.islice(value, 3))]
    text = repr(value)
    text = re.sub(r"sojourn_[0-9a-f]{16}(_\d+)?\.", "", text)
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def test_closures_share_their_cells(world: World) -> None:
    agent = holding(counter(10))
    step, peek = next(world.hopped(agent))
    assert (step(), peek(), step(), peek()) == (11, 11, 12, 12)


def test_lambdas_within_lambdas(world: World) -> None:
    assert next(world.moved(holding(deep(21))))()() == 42
    assert next(world.moved(holding(deep(21)())))() == 42


def test_two_lambdas_of_one_line(world: World) -> None:
    def both(n: int) -> list[Callable[[int], int]]:
        return [lambda m: m + n, lambda m: m * n]  # fmt: skip

    plus, times = next(world.moved(holding(both(5))))
    assert (plus(2), times(2)) == (7, 10)


def test_a_function_with_defaults_attributes_and_another_name(world: World) -> None:
    def inner(a: int, b: list[int] = [1], *, c: str = "c") -> Any:
        """Documented."""
        return a, b, c

    inner.mark = "marked"  # type: ignore[attr-defined]
    inner.__name__ = "renamed"
    there = next(world.moved(holding(inner)))
    assert there(0) == (0, [1], "c")
    assert (there.mark, there.__name__, there.__doc__) == ("marked", "renamed", "Documented.")


def test_a_class_of_a_function(world: World) -> None:
    kind = maker(5)
    there = next(world.hopped(holding([kind(), kind])))
    assert there[0].total(1) == 11 and type(there[0]) is there[1]
    assert there[0].named() == "<BLUE"


def test_what_is_shared_stays_shared(world: World) -> None:
    shared: list[int] = []
    point = Point(1)
    agent = holding({"a": shared, "b": [shared], "p": point, "q": (point,)})
    there = next(world.hopped(agent))
    assert there["a"] is there["b"][0] and there["p"] is there["q"][0]


def test_a_cycle(world: World) -> None:
    loop: list[Any] = [Point(1)]
    loop.append(loop)
    there = next(world.hopped(holding(loop)))
    assert there[1] is there


def test_module_variables_travel_by_value_and_apart(world: World) -> None:
    JOURNAL[:] = ["before"]
    agent = walk(["a", "b"])
    next(agent)
    first, second = world.moved(agent), world.moved(agent)
    JOURNAL.append("here")
    for copy in (first, second):
        copy.send("there")
        with pytest.raises(StopIteration) as end:
            next(copy)
        assert end.value.value == (2, 3)
    assert JOURNAL == ["before", "here"]


def test_a_variable_shared_with_the_state_stays_shared(world: World) -> None:
    JOURNAL[:] = []
    agent = holding([JOURNAL, walk(["a", "b"])])
    journal, inner = next(world.hopped(agent))
    next(inner)
    inner.send("seen")
    assert journal == ["seen"] and JOURNAL == []


# -- large buffers ----------------------------------------------------------------------------------------------------


def test_large_arrays_are_not_copied(world: World) -> None:
    array = numpy.arange(100_000)
    bundle = pack(holding(array), by=world.owner)
    manifest = bundle.claims()
    assert [entry.size for entry in manifest.segments if entry.kind == "buffer"] == [array.nbytes]
    assert sum(entry.size for entry in manifest.segments if entry.kind == "state") < 2000
    views = [memoryview(piece) for piece in bundle.payload.pieces()]
    (buffer,) = [numpy.frombuffer(view, "u1") for view in views if len(view) == array.nbytes]
    assert numpy.shares_memory(buffer, array)


def test_arrays_can_be_written_to_where_they_arrive(world: World) -> None:
    array = numpy.zeros(100_000)
    frozen = numpy.ones(100_000)
    frozen.flags.writeable = False
    fortran = numpy.asfortranarray(numpy.arange(20_000.0).reshape(100, 200))
    sliced = numpy.arange(40_000)[::2]
    there = next(world.hopped(holding([array, frozen, fortran, sliced])))
    there[0][0] = 5
    assert array[0] == 0 and there[0][0] == 5 and not there[1].flags.writeable
    assert there[2].flags.f_contiguous and (there[2] == fortran).all() and (there[3] == sliced).all()


def test_a_bundle_in_memory_does_not_share_with_the_original(world: World) -> None:
    array = numpy.zeros(100_000)
    agent = holding(array)
    there = unpack(pack(agent, by=world.owner).verify(world.trust))
    next(there)[0] = 1
    assert array[0] == 0


# -- dill, for what is left -------------------------------------------------------------------------------------------


def test_pickle_alone_is_the_usual_way(world: World) -> None:
    assert pack(holding([Point(1), counter(1)]), by=world.owner).claims().encodings == (Encoding.PICKLE,)


def test_a_named_tuple_of_a_function_goes_by_dill(world: World) -> None:
    kind = collections.namedtuple("Local", "a b")
    kind.__qualname__ = "somewhere.<locals>.Local"
    sent = world.sent(holding(kind(1, 2)))
    assert Encoding.DILL in sent.manifest.encodings and Encoding.BYTECODE not in sent.manifest.encodings
    assert sent.manifest.needs.python_minor is None
    there = next(unpack(sent))
    assert (there.a, there.b, type(there).__name__) == (1, 2, "Local")


def test_bytecode_by_value_binds_to_the_minor_version(world: World) -> None:
    sent = world.sent(holding(compile("1 + 2", "<made>", "eval")))
    assert sent.manifest.encodings == (Encoding.PICKLE, Encoding.DILL, Encoding.BYTECODE)
    assert sent.manifest.needs.python_minor == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert eval(next(unpack(sent))) == 3


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_function_without_source_is_refused_by_name(world: World) -> None:
    namespace: dict[str, Any] = {"__name__": __name__}
    exec("def made(): return 1", namespace)
    with pytest.raises(MobilityError, match="made") as refusal:
        pack(namespace["made"], by=world.owner)
    assert isinstance(refusal.value, SourceMissing)
    assert "file or a notebook cell" in str(refusal.value)
    with pytest.raises(NotMovable, match="made"):
        agent = holding(namespace["made"])
        next(agent)
        pack(agent, by=world.owner)


def test_a_lock_is_refused_by_name_and_the_agent_goes_on(world: World) -> None:
    agent = holding({"deep": [threading.Lock()]})
    next(agent)
    with pytest.raises(NotMovable, match=r"variable 'value' at \['deep'\]\[0\].*lock"):
        pack(agent, by=world.owner)
    assert next(agent)


def test_also_within_an_object(world: World) -> None:
    square = Square(1)
    square.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(NotPackable) as refusal:
        pack(square, by=world.owner)
    assert refusal.value.path == "the unit.lock"
    with pytest.raises(NotPackable, match="args"):
        pack(plain_function, by=world.owner, args=(threading.Lock(),))


def uses_lock() -> bool:
    return LOCK.locked()


def test_a_variable_that_cannot_move_is_made_again(world: World) -> None:
    """Its statement runs at the destination, as importing the module does."""
    there = world.moved(uses_lock)
    assert there() is False
    assert there.func.__globals__["LOCK"] is not LOCK


def test_a_generator_that_is_not_resumable(world: World) -> None:
    with pytest.raises(NotMovable, match="resumable"):
        pack((n for n in [1]), by=world.owner)


def test_one_that_is_running(world: World) -> None:
    caught: list[Exception] = []

    @resumable
    def itself() -> Generator[Any, Any, None]:
        me = yield
        try:
            pack(me, by=world.owner)
        except Exception as error:
            caught.append(error)
        yield

    agent = itself()
    next(agent)
    agent.send(agent)
    assert isinstance(caught[0], GeneratorRunning)


def test_coroutines(world: World) -> None:
    async def later() -> None: ...

    with pytest.raises(NotPackable, match="asynchronous"):
        pack(later, by=world.owner)


def test_code_of_another_agent_does_not_slip_in(world: World) -> None:
    stranger = next(world.moved(holding(Square(1))))
    with pytest.raises(ForeignCode, match="Square"):
        pack(holding(stranger), by=world.owner)


def test_code_of_the_host_does_not_slip_in_at_a_hop(world: World) -> None:
    """What the owner did not sign is not sent on."""
    first = world.sent(holding([]))
    agent = unpack(first)
    next(agent).append(Point(1))
    with pytest.raises(ForeignCode, match="Point"):
        pack(agent, by=world.place, passport=first.passport)


def test_what_is_not_verified_is_not_unpacked(world: World) -> None:
    bundle = pack(Square(1), by=world.owner)
    with pytest.raises(TypeError, match="verify"):
        unpack(bundle)  # type: ignore[arg-type]


def test_what_is_needed_and_missing_here_is_said_before_anything_is_loaded(world: World) -> None:
    from mobility.environment import Distribution, EnvironmentRefused, Needs

    needs = Needs(distributions=(Distribution("no-such-thing", "1.0", ("nothing",)),))
    sent = world.sent(Square(1), needs=needs)
    with pytest.raises(EnvironmentRefused, match="no-such-thing") as refusal:
        unpack(sent)
    assert refusal.value.verdict.kind == "refuse"


def test_requirements_are_those_of_what_is_used(world: World) -> None:
    names = [d.name for d in world.sent(holding(numpy.zeros(1))).manifest.needs.distributions]
    assert names == ["numpy"]
    assert world.sent(Square(1)).manifest.needs.distributions == ()


# -- the chain --------------------------------------------------------------------------------------------------------


def test_the_code_stays_the_owners_over_all_hops(world: World) -> None:
    first = world.sent(walk(["a", "b", "c"]), birth=Birth(agent="walker", hop_limit=5))
    verified = first
    for _ in range(3):
        agent = unpack(verified)
        next(agent)
        data = pack(agent, by=world.place, passport=verified.passport).to_bytes()
        verified = Bundle.from_bytes(bytearray(data)).verify(world.trust)
    assert verified.manifest.code == first.manifest.code
    assert (verified.passport.epoch, verified.passport.agent) == (3, "walker")
    assert [key.name for key in verified.passport.senders] == ["oslo"] * 3


def test_birth_is_for_the_first_bundle_only(world: World) -> None:
    first = world.sent(walk(["a"]))
    with pytest.raises(ValueError, match="born once"):
        pack(unpack(first), by=world.place, passport=first.passport, birth=Birth())


def test_a_sealed_bundle(world: World) -> None:
    key = world.trust.lookup(world.place.key_id, "place", 2_000_000_000, 0)
    agent = holding(numpy.zeros(100_000))
    data = bytearray(pack(agent, by=world.owner, seal_to=key).to_bytes())
    with pytest.raises(MobilityError, match="sealed"):
        Bundle.from_bytes(data).verify(world.trust)
    there = unpack(Bundle.from_bytes(data).verify(world.trust, identity=world.place))
    assert next(there).shape == (100_000,)


def test_a_large_array_is_handed_out_where_it_was_read(world: World, tmp_path: Path) -> None:
    """Once: the bundle is padded so that the buffer begins at an address that any array can use."""
    for length in range(1, 20):
        agent = holding(["x" * length, numpy.zeros(10_000 + length), numpy.ones(20_000)])
        pack(agent, by=world.owner).write(tmp_path / "large.sojourn", replace=True)
        verified = Bundle.read(tmp_path / "large.sojourn").verify(world.trust)
        _, first, second = next(unpack(verified))
        assert first.flags.aligned and second.flags.aligned and first.flags.writeable
        assert numpy.shares_memory(first, numpy.frombuffer(verified.buffers[0]))
        assert numpy.shares_memory(second, numpy.frombuffer(verified.buffers[1])) == (length % 2 == 0)
