"""What is not plain is refused at the sender, by its path, and with what to send instead."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import functools
import pathlib
import pickle
import sys
import weakref
from typing import Any, NamedTuple

import pytest

from mobility.errors import MobilityError
from mobility.plain import NotPlain, PlainLimits, Registry, decode, encode
from tests.mobility.plain.graphs import Identity, Point, registry


class Foreign:
    """Not plain; answers whatever it is asked."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a refused value must not be compared")

    __hash__ = object.__hash__


class Text(str):
    pass


class Pair(NamedTuple):
    a: int
    b: int


class Nowhere:
    """Of no module, as classes made by hand may be."""


Nowhere.__module__ = None  # type: ignore[assignment]  # on purpose


def dead_proxy() -> Any:
    """Raises ReferenceError whatever it is asked, even for its class."""
    return weakref.proxy(Foreign())


@dataclasses.dataclass
class Unknown:
    x: int = 0


class Shade(enum.Enum):
    DARK = 1


class Local(datetime.tzinfo):
    def utcoffset(self, when: Any) -> datetime.timedelta:
        return datetime.timedelta(0)


def refusal(value: Any) -> NotPlain:
    with pytest.raises(NotPlain) as caught:
        encode(value, registry=registry, name="result")
    return caught.value


FOREIGN = Foreign()
MOMENT = datetime.datetime(2025, 1, 1, tzinfo=Local())
PATHS = [
    (FOREIGN, "result"),
    ({"rows": [1, 2, 3, Identity(FOREIGN)]}, "result['rows'][3].value"),
    ({"rows": [1, 2, 3, Point({"when": MOMENT})]}, "result['rows'][3].x['when'].tzinfo"),
    ([[], ({}, {5: FOREIGN})], "result[1][1][5]"),
    ({1: 0, FOREIGN: 0}, "list(result)[1]"),
    ([{FOREIGN}], "list(result[0])[0]"),
    ({(1, 2): {"a": FOREIGN}}, "result[list(result)[0]]['a']"),
    ([{(1, FOREIGN): 2}], "list(result[0])[0][1]"),
    ([slice(1, [])], "result[0].stop"),
    (datetime.time(1, tzinfo=Local()), "result.tzinfo"),
]


@pytest.mark.parametrize(("value", "path"), PATHS, ids=[path for _, path in PATHS])
def test_the_path_leads_to_the_value(value: Any, path: str) -> None:
    """Somebody who returned a large result has to find the one thing that cannot travel."""
    error = refusal(value)
    assert error.path == path
    assert str(error).startswith(path + " is not plain data")
    found = eval(path, {"result": value, "list": list})
    assert f"{type(found).__module__}.{type(found).__qualname__}".removeprefix("builtins.") == error.kind


def test_a_deep_path_is_shortened() -> None:
    """A message of a megabyte helps nobody."""
    value: Any = FOREIGN
    for _ in range(100_000):
        value = [value]
    error = refusal(value)
    assert len(str(error)) < 1000 and "(99976 more)" in error.path


def test_the_path_is_found_through_cycles() -> None:
    """The search for it ends, and takes the shortest way."""
    value: dict[str, Any] = {}
    value["self"] = [value, [value, FOREIGN]]
    assert refusal(value).path == "result['self'][1][1]"


SUBSTITUTES = [
    (Text("a"), "str(value)"),
    (Pair(1, 2), "tuple(value)"),
    (collections.OrderedDict(), "dict(value)"),
    (collections.defaultdict(int), "dict(value)"),
    (collections.deque(), "list(value)"),
    (pathlib.Path("a"), "PurePosixPath(value)"),
    (Unknown(), "registry.add(Unknown, 'a stable name')"),
    (Shade.DARK, "registry.add(Shade, 'a stable name')"),
    (ValueError("x"), "str(value)"),
    (len, "what it returns"),
    (Unknown, "what it returns"),
    (memoryview(b""), "bytes(value)"),
    ((n for n in ()), "list(value)"),
    (..., "registered dataclass"),
    (dead_proxy(), "registered dataclass"),
    (Nowhere(), "registered dataclass"),
    # Later versions write this path so that it is read as what it is.
    *([(pathlib.PureWindowsPath("./c:x"), "value.parts")] if sys.version_info < (3, 12) else []),
    (object(), "registered dataclass"),
]


@pytest.mark.parametrize(("value", "remedy"), SUBSTITUTES, ids=[type(value).__name__ for value, _ in SUBSTITUTES])
def test_each_refusal_says_what_to_send_instead(value: Any, remedy: str) -> None:
    """Types are taken exactly: a subclass would arrive as something else, without a word."""
    error = refusal([value])
    assert error.path == "result[0]" and remedy in error.remedy
    assert "value is unchanged" in str(error)


def test_an_instance_must_be_its_fields() -> None:
    """An attribute beyond the fields, or a field without a value, would be lost or appear from nowhere."""
    extra, unset = Point(1), Point(1)
    extra.__dict__["secret"] = 1
    del unset.__dict__["x"]
    assert "'secret' is no field" in refusal([extra]).reason
    extra.__dict__.update({"another": 2, 3: 4})
    assert "is no field" in refusal([extra]).reason
    assert "not set" in refusal([unset]).reason


def test_cached_properties_stay_behind() -> None:
    """They are worked out anew where they are asked for."""
    mine = Registry()

    @mine.named("cached")
    @dataclasses.dataclass
    class Cached:
        x: int

        @functools.cached_property
        def double(self) -> int:
            return self.x * 2

    value = Cached(2)
    assert value.double == 4
    found = decode(encode(value, registry=mine), registry=mine)
    assert vars(found) == {"x": 2} and found.double == 4


def test_a_cycle_of_immutable_objects_is_refused() -> None:
    """No receiver could build it, so the sender has to know."""
    one = Point(0)
    object.__setattr__(one, "x", (frozenset({1}), (one,)))
    assert "leads back to itself" in refusal([one]).reason
    object.__setattr__(one, "x", one)
    assert refusal(one).path == "result"


@pytest.mark.parametrize("wrap", [lambda v: (v,), lambda v: frozenset({v}), Point])
def test_keys_nest_to_a_depth_that_is_safe_to_hash(wrap: Any) -> None:
    """Refused here rather than at the receiver, whose process a deeper one could end."""
    key: Any = 1
    for _ in range(100):
        key = wrap(key)
    assert decode(encode({key: 1}, registry=registry), registry=registry) == {key: 1}
    error = refusal([{wrap(key): 1}])
    assert error.path == "list(result[0])[0]" and "unsafe to hash" in error.reason


def test_not_plain_is_of_the_tree_and_pickles() -> None:
    """It may have to cross a process to reach whoever returned the value."""
    error = refusal([FOREIGN])
    assert isinstance(error, MobilityError) and error.slug == "not-plain"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


# -- the registry


def test_what_a_registry_refuses() -> None:
    """Classes that cannot be rebuilt from their fields, and names that would be ambiguous."""
    mine = Registry()

    @dataclasses.dataclass(unsafe_hash=True)
    class Hashed:
        x: int

    @dataclasses.dataclass
    class Closing:
        x: int

        def __del__(self) -> None: ...

    @dataclasses.dataclass
    class Mapping(dict[str, int]):
        x: int

    class Slotted:
        __slots__ = ("hidden",)

    @dataclasses.dataclass
    class Hiding(Slotted):
        x: int

    class Child(Unknown):
        pass

    for kind, why in [
        (Hashed, "hashed by its fields"),
        (Closing, "__del__"),
        (Mapping, "no empty instance"),
        (Hiding, "slot hidden"),
        (Child, "neither a dataclass"),
        (int, "neither a dataclass"),
    ]:
        with pytest.raises(TypeError, match=why):
            mine.add(kind, "name")
    with pytest.raises(TypeError, match="needs no check"):
        mine.add(Shade, "shade", check=len)
    mine.add(Unknown, "unknown")
    for kind, name in [(Unknown, "other"), (Shade, "unknown"), (Shade, ""), (Shade, "x" * 201), (Shade, "a\nb")]:
        with pytest.raises(ValueError):
            mine.add(kind, name)
    assert repr(mine) == "Registry(unknown)"


def test_limits_are_numbers() -> None:
    """A limit of None or True would silently be none."""
    for wrong in (True, None, -1, 1.5):
        with pytest.raises(ValueError, match="PlainLimits.nodes"):
            PlainLimits(nodes=wrong)  # type: ignore[arg-type]  # on purpose
