"""if, conditional and boolean expressions, comparisons: what is evaluated, and what is not."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from mobility import resumable
from tests.corpus.cases import NEXT, case, send
from tests.corpus.record import mix, op, say

YES = [NEXT, *[send(1)] * 8]
NO = [NEXT, *[send(0)] * 8]
ALTERNATE = [NEXT, *[send(1), send(0)] * 5]
OTHERWISE = [NEXT, *[send(0), send(1)] * 5]
FLAGS = {"yes": YES, "no": NO, "alternate": ALTERNATE, "otherwise": OTHERWISE}


@case(scripts=FLAGS)
@resumable
def if_chain():
    if (yield "first"):
        yield "one"
    elif (yield "second"):
        yield "two"
    elif say("third", False):
        pass
    else:
        yield "none"
    yield "after"


@case(0)
@case(1, named="if_bodies_1")
@case(2, named="if_bodies_2")
@resumable
def if_bodies(n):
    if n == 0:
        x = yield "zero"
    elif n == 1:
        x = "one"
    else:
        if n == 2:
            yield "two"
            x = yield "two again"
        else:
            x = None
        say(x)
    yield x
    if n:
        say("no yield here")
    else:
        yield "falsy"


@case(scripts=FLAGS)
@resumable
def conditional():
    x = (yield "then") if (yield "test") else (yield "else")
    yield x
    y = 1 if x else (yield "only else")
    z = (yield "only then") if y else 2
    yield y, z
    yield mix(op(1), op(2) if (yield "nested") else op(3), op(4))


@case(scripts=FLAGS)
@resumable
def conditional_nested():
    return ((yield 1) if (yield 2) else (yield 3)) if ((yield 4) if (yield 5) else (yield 6)) else (yield 7)


@case(scripts=FLAGS)
@resumable
def boolean_and():
    yield op("a") and (yield "b") and op("c") and (yield "d")
    yield (yield 1) and (yield 2) and (yield 3)


@case(scripts=FLAGS)
@resumable
def boolean_or():
    yield op("") or (yield "b") or op(0) or (yield "d")
    yield (yield 1) or (yield 2) or (yield 3) or op("last")


@case(scripts=FLAGS)
@resumable
def boolean_mixed():
    if (yield 1) and ((yield 2) or not (yield 3)) and op("x"):
        yield "true"
    else:
        yield "false"
    yield not (yield "negated")
    yield -((yield "number") or 5), +((yield "number") or 6), ~((yield "number") or 7)


class Truth:
    """Says when it is asked for its truth."""

    def __init__(self, name, value):
        self.name = name
        self.value = value

    def __bool__(self):
        say(("asked", self.name))
        return self.value

    def __lt__(self, other):
        say(("less", self.name, getattr(other, "name", other)))
        return Truth(f"{self.name}<", self.value)

    __gt__ = __lt__


@case()
@resumable
def truth_is_asked_once():
    a, b = Truth("a", True), Truth("b", False)
    yield "begin"
    x = a and (yield "asked a") or b
    yield x
    y = b or (yield "asked b") or a
    yield y
    if a and not b and (yield "third") is None:
        yield "in"
    while a:
        yield "loop"
        break


@case(scripts=FLAGS)
@resumable
def comparisons():
    yield 0 < (yield "middle") < 5 if False else op(0) <= ((yield "b") or 0) <= op(3)
    yield op(1) < op(2) < ((yield "c") or 3) < op(4) != (yield "d")
    yield ((yield "e") or 9) < op(1) < (yield "never")
    yield (yield "f") in [None, 1] is not (yield "g") == None


@case()
@resumable
def comparison_results_are_values():
    a, b, c = Truth("a", True), Truth("b", True), Truth("c", True)
    yield (a < b < (yield "x") < c) if False else type(a < b < c)
    result = a < (yield "one") < b
    yield result
    result = Truth("f", False) < b < (yield "never")
    yield result


@case(scripts=FLAGS)
@resumable
def comparison_operators():
    yield (yield 1) is None, (yield 2) is not None, (yield 3) not in (0, None), 1 in ((yield 4) or [1])
    yield ((yield 5) or 1) >= ((yield 6) or 2), ((yield 7) or 1) != 1


@case(scripts=FLAGS)
@resumable
def asserts():
    assert (yield "true?") is None or op("holds"), "never"
    try:
        assert (yield "false?") is op, (yield "message")
    except AssertionError as error:
        yield error
    assert op(0), mix(1, (yield "last message"))


@case(scripts=FLAGS)
@resumable
def operators():
    yield op(1) + ((yield "a") or 2) * op(3) ** ((yield "b") or 2)
    yield ((yield "c") or 7) // op(2), op(7) % ((yield "d") or 4), op(1) << ((yield "e") or 3)
    yield op(6) & ((yield "f") or 3) | op(8) ^ ((yield "g") or 1)
