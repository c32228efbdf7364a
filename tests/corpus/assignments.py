"""Every form of assignment and deletion."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from mobility import resumable
from tests.corpus.cases import case
from tests.corpus.record import Bag, mix, op, say


class Traced:
    """Records every access to attributes and items."""

    def __init__(self):
        object.__setattr__(self, "table", {})

    def __getattr__(self, name):
        if name not in ("a", "b", "c"):
            raise AttributeError(name)
        say(("get", name))
        return self.table.get(name, 10)

    def __setattr__(self, name, value):
        say(("set", name, value))
        self.table[name] = value

    def __delattr__(self, name):
        say(("del", name))
        self.table.pop(name, None)

    def __getitem__(self, key):
        say(("getitem", key))
        return self.table.get(str(key), 20)

    def __setitem__(self, key, value):
        say(("setitem", key, value))
        self.table[str(key)] = value

    def __delitem__(self, key):
        say(("delitem", key))


@case()
@resumable
def simple():
    x = yield 1
    y = z = yield 2
    a = b = [(yield 3)]
    b.append(1)
    yield x, y, z, a, b, a is b


@case()
@resumable
def chained_targets():
    bag = Bag()
    box = [0, 0]
    bag.x = box[0] = a, (b, c) = (yield "pair") if False else (1, (2, 3))
    yield a, b, c, bag.x, box
    traced = Traced()
    traced.one = traced[(yield "key")] = traced.two = yield "value first"
    yield traced.table


@case()
@resumable
def to_attributes():
    bag = Bag()
    bag.x = yield 1
    bag.y = bag.z = (yield 2), 3
    op(bag).w = yield "then the object"
    yield bag


@case()
@resumable
def to_subscripts():
    box = [0] * 6
    box[0] = yield 1
    box[(yield "index") or 1] = yield "value"
    box[2:4] = [(yield "slice")]
    box[(yield "from") or 0 : (yield "to") or 1] = op("ab")
    yield box


@case()
@resumable
def order_of_targets():
    traced = Traced()
    op(traced)[op("k")] = op("value")
    op(traced)[op("k")] = yield "value"
    op(traced)[(yield "key")] = op("value")
    traced[op(1)], traced[(yield "second")], traced.third = op((1, 2, 3))
    traced[op(1)], *traced[(yield "starred")] = (yield "values") or (1, 2, 3)
    yield traced.table


@case()
@resumable
def patterns():
    a, b = (yield "two") or (1, 2)
    (c, [d, *e]), f = [[1, "xyz"], (yield "f")]
    *g, h = range(4)
    i, *j, k = "abcdef"
    [l] = [5]
    (m,) = {6}
    () = []
    yield a, b, c, d, e, f, g, h, i, j, k, l, m


@case()
@resumable
def pattern_errors():
    for values in ([1], [1, 2, 3]):
        try:
            a, b = values
            yield "never"
        except ValueError as error:
            yield error
    try:
        a, *b, c = [(yield "too few")]
    except ValueError as error:
        yield error
    try:
        a, b = yield "not iterable"
    except TypeError as error:
        yield error
    yield "after"


@case()
@resumable
def swaps():
    a, b, c = 1, 2, 3
    a, b = b, a
    yield a, b
    a, b, c = c, (yield "b"), a
    yield a, b, c
    box = [1, 0]
    i = 0
    i, box[i] = box[i], "i is new already"
    yield i, box


@case()
@resumable
def augmented_names():
    n = 1
    n += (yield "add") or 2
    n *= 3
    n -= ((yield "take") or 1) + n
    yield n
    s = "a"
    s += str((yield "text"))
    bits = 6
    bits |= (yield "or") or 1
    bits &= 7
    bits ^= 2
    bits <<= (yield "shift") or 2
    bits >>= 1
    bits **= 2
    bits //= (yield "divide") or 5
    bits %= 100
    half = 3
    half /= (yield "by") or 2
    yield s, bits, half


@case()
@resumable
def augmented_reads_first():
    n = 1

    def change():
        nonlocal n
        n = 100
        return 1

    n += change() + ((yield "n was read") or 0)
    yield n
    items = shared = [1]
    items += [(yield "in place")]
    items += (yield "more") or [9]
    yield shared, items is shared
    items *= 2
    yield shared


@case()
@resumable
def augmented_attributes():
    traced = Traced()
    traced.a += (yield "a") or 1
    op(traced).b -= op(2)
    op(traced).c *= (yield "c") or 3
    yield traced.table


@case()
@resumable
def augmented_subscripts():
    traced = Traced()
    traced["a"] += (yield "a") or 1
    op(traced)[op("k")] -= op(2)
    op(traced)[(yield "key")] *= (yield "c") or 3
    traced[1 : (yield "stop") : 2] += 5
    traced[op(1), (yield "tuple")] += (yield "value") or 7
    yield traced.table


class Place:
    """Has in-place operators that record."""

    def __init__(self, log):
        self.log = log

    def __iadd__(self, other):
        say(("iadd", other))
        self.log.append(other)
        return self

    def __imatmul__(self, other):
        return ("matrix", other)

    def __add__(self, other):
        raise AssertionError("not in place")


@case()
@resumable
def augmented_in_place():
    place = Place([])
    same = place
    place += yield "a"
    place += op("b")
    yield place.log, place is same
    place @= yield "matrix"
    yield place


@case()
@resumable
def augmented_error():
    n = 1
    try:
        n += yield "not a number"
    except TypeError as error:
        yield error
    yield n
    try:
        absent += yield "absent is read first"
    except UnboundLocalError as error:
        yield error


@case()
@resumable
def annotated():
    x: int = yield 1
    y: "anything at all" = (yield 2), 3
    z: no_such_name
    bag = Bag()
    bag.a: list[int] = [(yield 4)]
    box = {}
    box[(yield "key")]: str = yield "value"
    (w): int = 5
    yield x, y, bag, box, w
    try:
        yield z
    except UnboundLocalError as error:
        yield error


@case()
@resumable
def annotated_and_captured():
    x: int = 1
    read = lambda: x
    yield read()
    x: list[int] = [(yield "value")]
    y: int
    show = lambda: y
    yield read()
    y: str = "bound"
    yield show(), read()


@case()
@resumable
def deletions():
    a = b = c = d = 1
    del a
    yield "deleted"
    del b, (c, [d])
    traced = Traced()
    del traced.x, traced[op(1)], op(traced)[(yield "key")], traced[1 : (yield "stop")]
    box = [0, 1, 2, 3, 4, 5]
    del box[(yield "index") or 1], box[-2:]
    yield box
    for name in ("a", "b"):
        try:
            if name == "a":
                a
            else:
                b
        except UnboundLocalError as error:
            yield error
    a = "again"
    yield a
    del a
    try:
        del a
    except UnboundLocalError as error:
        yield error


@case(0)
@case(1, named="sometimes_bound_1")
@resumable
def sometimes_bound(n):
    if n:
        x = 1
    yield "before"
    try:
        yield x
    except NameError as error:
        yield error
        x = 2
    del n
    yield x
    try:
        n
    except UnboundLocalError as error:
        yield error


counter = 5


@case()
@resumable
def global_names():
    global counter, made_here
    counter = 5  # the module's namespace does not move, so nothing here is read that was set before a yield
    counter = (yield counter) or 6
    made_here = [counter]
    counter = 5
    counter += (yield made_here) or 2
    made_here = counter
    del made_here
    for counter in range(5, 8):
        yield counter
    yield


@case(1, 2)
@resumable
def arguments_rebound(a, b, *rest, **named):
    a, b = b, a
    yield a, b
    a += 1
    rest = (*rest, (yield "rest"))
    named["k"] = yield "named"
    yield a, rest, named
    del b
    yield dict(sorted(locals().items()))


@case()
@resumable
def walrus_targets():
    values = [(y := f, y) for f in (yield "outermost iterable") or ()]
    print_args = mix((x := (yield 1)), x, (x := (yield 2)), x)
    yield values, print_args, x
