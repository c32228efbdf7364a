"""What the locals refer to: sharing, cycles, the generator itself; and what `locals()` shows."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import copy
import datetime
import decimal
import fractions
import functools
import inspect
import pathlib
import random
import re
import sys
import types
import uuid
import weakref

from mobility import resumable
from tests.corpus.cases import NEXT, SEND_SELF, case, send
from tests.corpus.record import Bag, Manager, mix, op, say


@case()
@resumable
def shared():
    a = []
    b = a
    c = (a, {"a": a})
    yield a is b
    a.append(1)
    yield b, c[0] is a, c[1]["a"] is b
    for a in (b, c):
        yield a is b


@case()
@resumable
def cycles():
    a = [1]
    a.append(a)
    d = {"self": None}
    d["self"] = d
    bag = Bag()
    bag.me = bag
    bag.list = a
    t = ([],)
    t[0].append(t)
    yield a, d, bag, t
    yield a[1] is a, d["self"] is d, bag.me is bag, bag.list is a, t[0][0] is t


@case(scripts={"self": [NEXT, SEND_SELF, NEXT, NEXT]})
@resumable
def itself():
    me = yield "me?"
    box = [me, [me]]
    bag = Bag(generator=me, box=box)
    yield bag.generator is box[0] is box[1][0]
    read = lambda: me
    yield read() is me, bag.box is box


@case(scripts={"self": [NEXT, SEND_SELF, NEXT, NEXT]})
@resumable
def itself_in_an_exception():
    me = yield "me?"
    try:
        raise ValueError(me)
    except ValueError as error:
        yield type(error.args[0]).__name__
        yield error.args[0] is me
        error = None
    del me


@case()
@resumable
def loop_and_variable_share():
    items = [1, 2, 3]
    alias = items
    for item in items:
        yield item
        if item == 1:
            alias[:] = [1, 20, 30, 40]
    yield items is alias


@case()
@resumable
def manager_and_variable_share():
    manager = Manager("m")
    with manager as inside:
        yield inside
        manager.name = "new"
        manager.mode = "suppress"
        raise ValueError
    yield manager.name


@case()
@resumable
def exception_and_variable_share():
    error = ValueError([])
    kept = error
    try:
        raise error
    except ValueError as caught:
        caught.args[0].append(1)
        yield caught is kept
        kept.args[0].append(2)
        yield caught.args, sys.exc_info()[1] is kept is caught


@case(1, b=2)
@resumable
def locals_shown(a, *rest, b, **named):
    yield dict(sorted(locals().items()))
    for i in range(2):
        with Manager("m") as m:
            try:
                yield sorted(locals()), sorted(vars()), dir()
                x = mix(op(1), (yield sorted(locals())), op(2))
                raise ValueError
            except ValueError as error:
                yield dir()
            finally:
                yield sorted(locals())
    match (yield dir()):
        case None:
            yield dir()
    f = lambda: x
    yield sorted(locals()), f()


@case()
@resumable
def locals_in_places():
    x = 1

    class Made:
        y = 2
        inside = sorted(name for name in locals() if not name.startswith("__"))

    def function(z):
        return sorted(locals())

    yield Made.inside, function(3)
    yield eval("x + 1"), "x" in locals(), "z" in locals()
    yield [sorted(locals()) for _ in "a"] is None
    yield sys._getframe().f_lineno - sys._getframe().f_code.co_firstlineno, sys._getframe().f_code.co_name


@case()
@resumable
def standard_values():
    moment = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
    price = decimal.Decimal("1.10")
    third = fractions.Fraction(1, 3)
    path = pathlib.PurePosixPath("a/b")
    ident = uuid.UUID(int=5)
    pattern = re.compile("a+", re.I)
    found = pattern.fullmatch("aA") is not None
    space = types.SimpleNamespace(a=[1])
    source = random.Random(4)
    yield str(moment), str(price), str(third), str(path), str(ident), pattern.pattern, found
    yield str(moment + datetime.timedelta(1)), str(price * 2), str(third + 1), str(path / "c"), source.randrange(1000)
    yield space, pattern.findall("xaax"), source.random()


@case()
@resumable
def functions_and_modules_as_values():
    tools = [len, max, str.upper, "x".join, re, functools.partial(op, 5), Manager, mix, dict.fromkeys, print]
    yield [getattr(tool, "__name__", "partial") for tool in tools]
    yield tools[0]("abc"), tools[2]("x"), tools[3]("ab"), tools[4].escape("."), tools[5](), tools[8]("a")


@case()
@resumable
def types_as_values():
    kinds = [int, type(None), list[int], dict[str, "int"], int | None, type(...), Exception, Bag]
    yield [str(kind) for kind in kinds]
    yield kinds[0]("4"), kinds[1] is type(None), str(kinds[4])


@case()
@resumable
def deep_structure():
    nested = []
    for _ in range(200):
        nested = [nested]
    yield "made"
    depth = 0
    while nested:
        nested = nested[0]
        depth += 1
    yield depth


@case()
@resumable
def copies_are_copies():
    a = [[1]]
    b = copy.copy(a)
    c = copy.deepcopy(a)
    yield a[0] is b[0], a[0] is c[0]
    a[0].append(2)
    yield a, b, c


@case()
@resumable
def many_locals():
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = 0
    b0, b1, b2, b3, b4 = range(5)
    yield a0 + b4
    a5 += 1
    del b2
    yield a5, b3, sorted(locals())


@case()
@resumable
def own_state_of_inspection():
    yield inspect.stack()[0].function
    yield sys._getframe().f_code.co_flags & inspect.CO_GENERATOR != 0


@case()
@resumable
def dropped_values_are_dropped():
    """A temporary must not keep alive what the user let go of."""

    class Held:
        pass

    held = Held()
    watch = weakref.WeakSet([held])
    say(len(watch))
    for item in [held]:
        pass
    del item, held, watch
    yield 1
    thing = Bag()
    gone = weakref.ref(thing)
    mix((yield_nothing := None), thing)
    del thing
    alive, gone = gone() is not None, None
    yield alive
