"""match: yields in subject and bodies; every kind of pattern."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from dataclasses import dataclass
from enum import Enum

from mobility import resumable
from tests.corpus.cases import NEXT, case, send, throw
from tests.corpus.record import op, say


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: object
    y: object = 0


class Watched:
    """Records which attributes a pattern reads."""

    __match_args__ = ("a", "b")

    def __init__(self, a, b):
        self._a, self._b = a, b

    @property
    def a(self):
        say("a read")
        return self._a

    @property
    def b(self):
        say("b read")
        return self._b


SUBJECTS = [
    0,
    -1,
    2.5,
    "text",
    None,
    True,
    (1, 2),
    [1, 2, 3, 4],
    {"kind": "point", "x": 1, "rest": 2},
    {"other": [1, {"deep": 5}]},
    Point(1, 2),
    Point(0, Point(5)),
    Colour.BLUE,
    b"bytes",
    [],
    {},
    object,
]


@resumable
def every_pattern(subjects):
    for subject in subjects:
        match subject:
            case 0 | 0.5:
                yield "zero"
            case -1:
                yield "minus one"
            case True:
                yield "true"
            case None:
                yield "none"
            case float(value) if value > 2:
                yield "float", value
                say("float done")
            case "text" | b"bytes" as either:
                yield either
            case Point(x=0, y=Point(x=inner)):
                yield "deep point", inner
            case Point(x, y):
                yield "point", x
                yield y
            case Colour.RED | Colour.BLUE as colour:
                yield colour.name
            case {"kind": "point", "x": x, **rest}:
                yield x, rest
            case {"other": [1, {"deep": deep}]}:
                yield deep
            case []:
                yield "empty list"
            case (1, second):
                yield second
            case [first, *middle, last]:
                yield first, middle
                yield last
            case {}:
                yield "any mapping"
            case other:
                yield "other", other
        yield "next"


case(SUBJECTS[:9], named="every_pattern_first", steps=24)(every_pattern)
case(SUBJECTS[9:], named="every_pattern_second", steps=24)(every_pattern)


@case(
    scripts={
        "go": [NEXT, send(("go", "north")), NEXT, send(["go", "south", 5]), send(3), send("stop"), NEXT],
        "unknown": [NEXT, send({"a": 1}), send(None), send("stop"), NEXT],
        "thrown": [NEXT, throw(ValueError, 1), NEXT],
    }
)
@resumable
def yield_in_subject():
    while True:
        match (yield "command"):
            case ("go", where):
                yield "going", where
            case ["go", where, n]:
                again = yield "far", where
                say(again)
            case "stop" | "halt":
                break
            case None:
                return "nothing sent"
            case _:
                yield "unknown"
                continue
        yield "done"
    return "stopped"


@case()
@resumable
def tuple_subject():
    match (yield "a"), (yield "b") or 2, op(3):
        case None, 2, n:
            yield "first", n
        case a, b, _:
            yield "second", a, b


@case()
@resumable
def no_case_matches():
    match 5:
        case 1:
            yield "one"
        case 2:
            yield "two"
    yield "after"


@case()
@resumable
def guards():
    for n in range(5):
        match n:
            case x if op(x) > 3:
                yield "big", x
            case x if x == 1 and op("asked"):
                yield "one", x
            case 2 | 3 as y if y != 3:
                yield "two"
            case _ if n:
                yield "rest", x
            case _:
                yield "zero"


@case()
@resumable
def bound_though_refused():
    match (1, 2):
        case (a, b) if a > b:
            yield "never"
        case (c, 3):
            yield "never"
        case _:
            yield a, b
    try:
        yield c
    except UnboundLocalError as error:
        yield "unbound or bound as natively", error


@case()
@resumable
def attributes_read_once():
    match Watched(1, 2):
        case Watched(2, _):
            yield "no"
        case Watched(1, b=x):
            yield x
            yield x
    yield "after"


@case()
@resumable
def nested_match():
    for value in ([1, "a"], [2, "b"], 3):
        match value:
            case [n, text]:
                match n:
                    case 1:
                        yield "one", text
                    case _:
                        match text:
                            case "b":
                                yield "b"
                yield "inner done"
            case _:
                yield "outer default"


@case()
@resumable
def match_with_try_and_loops():
    for value in (1, 2, 3):
        match value:
            case 1:
                try:
                    yield "in try"
                    continue
                finally:
                    yield "finally"
            case 2:
                for i in range(2):
                    yield i
                    if i:
                        break
                else:
                    yield "never"
            case _:
                with_value = value
                while with_value:
                    with_value -= 1
                    yield with_value
                return "returned from a match"
        yield "after match"


@case()
@resumable
def names_that_are_soft_keywords():
    match = [1]
    case = type = _ = 2
    match[0] = yield match
    match (yield case):
        case None:
            yield match, _, type


@case()
@resumable
def captures_are_closures():
    match ("k", 5):
        case (key, value):
            read = lambda: (key, value)
            yield read()
            value += (yield "add") or 1
            yield read()


@case()
@resumable
def raising_class_pattern():
    try:
        match 5:
            case op(x):
                yield "never"
    except TypeError as error:
        yield type(error)
    try:
        match Point(1):
            case Point(1, 2, 3):
                yield "never"
    except TypeError as error:
        yield type(error)
    yield "after"


@case()
@resumable
def bodies_without_yields():
    total = 0
    for n in range(4):
        match n:
            case 0:
                total += 1
            case 1:
                total += 10
                continue
            case 2:
                yield "only here", total
            case _:
                total += 100
        say(total)
    return total
