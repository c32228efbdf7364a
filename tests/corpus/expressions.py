"""Yields as operands in every position; the order of evaluation is what is compared."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from mobility import resumable
from tests.corpus.cases import NEXT, case, send, throw
from tests.corpus.record import Bag, mix, op, say


def chooser(name):
    say(("function", name))
    return mix


def splat(**keywords):
    return keywords


@case(steps=14)
@resumable
def call_operands():
    yield chooser("f")(op(1), (yield "a"), op(2), key=(yield "b"), other=op(3))
    yield (yield "function") if False else mix((yield 1), (yield 2), (yield 3))
    yield mix(*op([1, 2]), (yield "c"), *(yield "d") or (), **op({"x": 1}), y=(yield "e"))
    yield mix(op(1), *op([2]), k=(yield "f"), **((yield "g") or {"z": 1}))


@case(scripts={"function": [NEXT, send(max), send(3), send(8), NEXT]})
@resumable
def sent_function():
    function = yield "which function"
    if function is None or not callable(function):
        function = mix
    yield function((yield "a") or 0, (yield "b") or 0)
    yield ((yield "another") or len)((yield "argument") or "four")


@case()
@resumable
def call_errors():
    try:
        mix(**{"a": 1}, a=(yield "twice"))
    except TypeError as error:
        yield type(error)
    try:
        mix(op(1), *5, op((yield "not evaluated in this order")))
    except TypeError as error:
        yield type(error)
    try:
        op(None)(op(1), (yield "evaluated first"))
    except TypeError as error:
        yield error
    try:
        absent_name(op(1), (yield "never reached"))
    except NameError as error:
        yield error


@case()
@resumable
def name_read_before_yield():
    x = 1
    yield x + (yield "x is read already") if False else None
    total = 0
    total = total + ((yield "a") or 1) + total
    yield total

    def change():
        nonlocal total
        total = 100
        return 1

    yield total + change() + ((yield "b") or 0) + total


@case()
@resumable
def method_bound_before_arguments():
    items = [1]
    original = items
    items.append((items := [(yield "rebinds")]) and 5)
    yield items, original
    text = "a-b"
    yield text.replace((yield "old") or "-", (yield "new") or "+")
    yield text.upper().center((yield "width") or 9, "*")


@case()
@resumable
def attributes():
    bag = Bag(a=Bag(b=[1, 2]))
    yield ((yield "whose") or bag).a if False else bag.a.b
    bag.a.b[(yield "index") or 0] = (yield "value") or 5
    yield bag.a.b
    ((yield "target") and bag or bag).c = yield "attribute value"
    yield bag.c


@case()
@resumable
def subscripts():
    table = {"a": {1: "x"}, None: "none"}
    yield table[op("a")][(yield "key") or 1]
    items = list(range(10))
    yield items[(yield "from") or 1 : (yield "to") or 8 : (yield "by") or 2]
    yield items[: (yield "to") or 3], items[(yield "from") or 7 :], items[:: (yield "by") or 4]
    yield Grid()[op(1), (yield "second"), 2 : (yield "stop")]
    yield Grid()[(yield "first"), *[1, 2], ...]


class Grid:
    def __getitem__(self, key):
        say(("key", key))
        return key

    def __setitem__(self, key, value):
        say(("set", key, value))

    def __delitem__(self, key):
        say(("del", key))


@case()
@resumable
def subscript_errors():
    try:
        yield [1, 2][((yield "index") or 0) + 7]
    except IndexError as error:
        yield error
    try:
        {}[(yield "key")] = yield "value evaluated first"
        yield "set"
        yield {}[(yield "missing")]
    except KeyError as error:
        yield error


@case()
@resumable
def fstrings():
    yield f"{(yield 'a')} and {(yield 'b')!r} {op(3):>{(yield 'width') or 6}} {(yield 'c')!s:*^{op(8)}}"
    number = 3.14159
    yield f"{number:{(yield 'w') or 10}.{(yield 'p') or 2}f}|{number=}|{(yield 'text')!a}"
    yield f"plain joined {(yield 'x')}tail {{not}}"
    yield f"{{literal}} {(yield 1)}{(yield 2)}"
    yield f"{'nested ' + f'{(yield 3)}'}" + f"""{(yield 4)}"""


@case()
@resumable
def fstring_order():
    class Noisy:
        def __init__(self, name):
            self.name = name

        def __format__(self, spec):
            say(("format", self.name, spec))
            return self.name

    yield f"{Noisy('a')}{(yield 1)}{Noisy('b'):x}{(yield 2)!r:>5}{Noisy('c')}"


@case()
@resumable
def fstring_debug():
    value = 5
    yield f"{(yield 'x')=}"
    yield f"{ value + ((yield 'y') or 1) = :>8}"


@case()
@resumable
def displays():
    yield [op(1), (yield 2), op(3), *((yield 4) or []), (yield 5)]
    yield ((yield 6), op(7), *op([8]), (yield 9))
    yield sorted(map(str, {op(1), (yield 10), op(2), *((yield 11) or ())}))
    yield {op("k"): op("v"), (yield 12): (yield 13), **((yield 14) or {}), op("z"): (yield 15)}
    yield [], (), {}, [(yield 16)], ((yield 17),), {(yield 18): 1}


@case()
@resumable
def display_errors():
    try:
        yield {op("a"), [], (yield "evaluated before the set is made")}
    except TypeError as error:
        yield error
    try:
        yield [*5, (yield "not reached")]
    except TypeError as error:
        yield type(error)
    try:
        yield {**op([]), "a": (yield "not reached")}
    except TypeError as error:
        yield type(error)


@case()
@resumable
def walrus():
    if (n := (yield "n")) is None:
        n = 1
    yield n, (m := n + 1), m
    yield mix((a := op(1)), a + 1, (b := (yield "b") or 5), a + b)
    while (left := (yield "left") or 0) < 2 and n < 4:
        n += 1
    return left, n, [last := item for item in range(3)], last


@case()
@resumable
def lambdas_inside():
    base = (yield "base") or 10
    f = lambda x, *, y=base: x + y + base
    yield f(1)
    base = 20
    yield f(1), f(1, y=0)
    g = lambda: (yield base)
    yield list(g())


@case()
@resumable
def yield_of_yield():
    yield (yield (yield (yield 1)))
    return (yield), (yield)


@case()
@resumable
def tuple_yields():
    yield 1, 2
    yield *[1, 2], 3
    x = yield 1, (yield 2)
    yield x
    x = yield from ([1, 2])
    return x, *[3, 4]


@case(scripts={"thrown in an operand": [NEXT, NEXT, throw(KeyError, "k"), NEXT, NEXT]})
@resumable
def operand_that_raises():
    try:
        yield mix(op(1), (yield 2), 1 // op(0), (yield "never"))
    except (ZeroDivisionError, KeyError) as error:
        yield error
    yield "after"


@case()
@resumable
def deep_expression():
    yield (
        mix(
            [op(1), {"a": (op(2), (yield "deep")), **{"b": [*[op(3)], (yield "deeper")]}}],
            (lambda value: say(("called", value), value))((yield "argument")),
            k=f"{[(yield 'in an f-string')]}",
        )[0:1]
        if False
        else mix(mix(mix((yield "nested"))), mix((yield "again")))
    )


@case()
@resumable
def many_temporaries():
    yield (op(1) + op(2) * op(3) + op(4) + ((yield "a") or 0) + op(5) * ((yield "b") or 1) + op(6) + ((yield "c") or 0))


@case()
@resumable
def none_in_temporaries():
    yield mix(None, op(None), (yield None), None, (yield None))
    yield [None, (yield), None]


@case()
@resumable
def await_like_names():
    match, case_, type_, _ = 1, 2, 3, 4
    yield match, case_, type_, _
    print_ = yield match
    yield print_


@case()
@resumable
def builtins_shadowed():
    len = (yield "len") or (lambda value: "mine")
    next, iter, range, StopIteration, BaseException, Exception = 1, 2, 3, 4, 5, 6
    type = isinstance = locals = None
    for item in [1, 2]:
        try:
            with Quiet():
                yield item, len([])
        finally:
            yield next, iter, range, StopIteration, BaseException, Exception, type, isinstance


class Quiet:
    def __enter__(self):
        return self

    def __exit__(self, *details):
        say(("quiet exit", details[0]))


@case()
@resumable
def big_constants():
    yield 10**40, 1e308 * 10, -0.0, 3j, b"\x00\xff", "\ud800", ..., NotImplemented
    yield (1, (2, (3, frozenset({4}))))
    yield (
        0x_FF,
        1_000,
        r"\raw",
        """long
text""",
    )
