"""What a loop may hold while it is suspended: each kind of container and iterator."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import array
import collections
import itertools
import operator
import string

from mobility import resumable
from tests.corpus.cases import case
from tests.corpus.record import say


@resumable
def over(kind):
    """The loop itself; cases below say what to walk over, by name."""
    source = MAKERS[kind]()
    for item in source:
        yield item
    yield "end"


@resumable
def held(kind):
    """The iterator in a variable: stepped by hand, moved, then emptied."""
    walk = iter(MAKERS[kind]())
    yield next(walk, "none")
    yield next(walk, "none")
    rest = list(itertools.islice(walk, 5))
    yield rest
    yield next(walk, "none")


def double(value):
    return value * 2


def odd(value):
    return value % 2 == 1


def add(a, b):
    return a + b


def low(value):
    return value < 3


class Ticker:
    def __init__(self):
        self.ticks = 0

    def __call__(self):
        self.ticks += 1
        return self.ticks


class Row(list):
    """A subclass of list, with its own attributes."""

    name = "row"


def letters():
    return "aβ\N{GRINNING FACE}d"


MAKERS = {
    "list": lambda: [1, 2, 3, 4],
    "tuple": lambda: (1, 2, 3, 4),
    "list subclass": lambda: Row([1, 2, 3]),
    "range": lambda: range(2, 9, 2),
    "range backwards": lambda: range(5, 0, -2),
    "range huge": lambda: range(10**30, 10**30 + 3),
    "dict": lambda: {"a": 1, "b": 2, "c": 3},
    "dict keys": lambda: {"a": 1, "b": 2, "c": 3}.keys(),
    "dict values": lambda: {"a": 1, "b": [2], "c": 3}.values(),
    "dict items": lambda: {"a": 1, "b": 2, "c": 3}.items(),
    "dict reversed": lambda: reversed({"a": 1, "b": 2, "c": 3}),
    "dict items reversed": lambda: reversed({"a": 1, "b": 2, "c": 3}.items()),
    "ordered dict": lambda: collections.OrderedDict(a=1, b=2, c=3),
    "default dict": lambda: collections.defaultdict(list, a=[1], b=[2]),
    "counter elements": lambda: collections.Counter(a=2, b=1).elements(),
    "chain map": lambda: collections.ChainMap({"a": 1}, {"b": 2}),
    "set": lambda: {1, 2, 3, 4},
    "frozenset": lambda: frozenset([5, 6, 7]),
    "str": letters,
    "str ascii": lambda: "abcd",
    "bytes": lambda: b"abcd",
    "bytearray": lambda: bytearray(b"abcd"),
    "array": lambda: array.array("d", [1.5, 2.5, 3.5]),
    "deque": lambda: collections.deque([1, 2, 3]),
    "deque reversed": lambda: reversed(collections.deque([1, 2, 3])),
    "enumerate": lambda: enumerate("abc", 5),
    "zip": lambda: zip([1, 2, 3], "abc", (7, 8, 9, 10)),
    "zip strict": lambda: zip([1, 2], "abc", strict=True),
    "map": lambda: map(double, [1, 2, 3]),
    "map of two": lambda: map(add, [1, 2, 3], [10, 20, 30, 40]),
    "map method": lambda: map(str.upper, "abc"),
    "filter": lambda: filter(odd, range(8)),
    "filter none": lambda: filter(None, [0, 1, "", "x", 3]),
    "reversed list": lambda: reversed([1, 2, 3]),
    "reversed range": lambda: reversed(range(4)),
    "reversed str": lambda: reversed("abcd"),
    "nested": lambda: enumerate(zip(map(double, [1, 2, 3]), reversed("abc"))),
    "callable and sentinel": lambda: iter(Ticker(), 4),
    "accumulate": lambda: itertools.accumulate([1, 2, 3, 4]),
    "accumulate function": lambda: itertools.accumulate([1, 2, 3, 4], operator.mul, initial=10),
    "chain": lambda: itertools.chain([1, 2], "ab", (3,)),
    "chain from iterable": lambda: itertools.chain.from_iterable([[1, 2], [], [3]]),
    "combinations": lambda: itertools.combinations("abcd", 2),
    "combinations with replacement": lambda: itertools.combinations_with_replacement("abc", 2),
    "compress": lambda: itertools.compress("abcdef", [1, 0, 1, 0, 1, 1]),
    "count": lambda: itertools.islice(itertools.count(5, 3), 4),
    "count float": lambda: itertools.islice(itertools.count(0.5, 0.25), 4),
    "cycle": lambda: itertools.islice(itertools.cycle("abc"), 8),
    "dropwhile": lambda: itertools.dropwhile(low, [1, 2, 3, 1, 4]),
    "filterfalse": lambda: itertools.filterfalse(odd, range(8)),
    "islice": lambda: itertools.islice("abcdefgh", 1, 8, 2),
    "pairwise": lambda: itertools.pairwise([1, 2, 3, 4]),
    "permutations": lambda: itertools.permutations([1, 2, 3], 2),
    "product": lambda: itertools.product([1, 2], "ab"),
    "product repeated": lambda: itertools.product([0, 1], repeat=3),
    "repeat": lambda: itertools.repeat("x", 3),
    "starmap": lambda: itertools.starmap(pow, [(2, 3), (3, 2), (10, 2)]),
    "takewhile": lambda: itertools.takewhile(low, [1, 2, 3, 4, 1]),
    "zip longest": lambda: itertools.zip_longest([1, 2, 3], "ab", fillvalue="-"),
    "tee": lambda: itertools.tee([1, 2, 3])[1],
}


for _kind in MAKERS:
    case(_kind, named=f"over_{_kind.replace(' ', '_')}", steps=14)(over)
    case(_kind, named=f"held_{_kind.replace(' ', '_')}", steps=14)(held)


@case()
@resumable
def groupby():
    for key, group in itertools.groupby([1, 1, 2, 3, 3, 3], key=odd):
        yield key
        for item in group:
            yield key, item
            if item == 3:
                break


@case()
@resumable
def tee_shared():
    left, right = itertools.tee([1, 2, 3, 4])
    yield next(left), next(left)
    yield next(right)
    yield list(left), list(right)


@case()
@resumable
def endless_counters():
    for number, letter in zip(itertools.count(10, 5), itertools.cycle("ab")):
        if (yield number, letter) == 3 or number > 30:
            break
    repeated = itertools.repeat(number)
    yield next(repeated), next(repeated)
    yield next(repeated)


@case()
@resumable
def shared_under_two_views():
    source = iter([1, 2, 3, 4, 5, 6])
    pairs = zip(source, itertools.islice(source, 1, None, 1))
    yield next(pairs)
    yield next(source)
    yield list(pairs)


@case()
@resumable
def iterator_of_a_shared_list():
    items = [1, 2, 3]
    walk = iter(items)
    yield next(walk)
    items.append(99)
    yield list(walk)
    items.append("too late")
    yield next(walk, "exhausted for good")


@case()
@resumable
def iterator_of_a_shared_dict():
    table = {"a": 1}
    for key in table:
        yield key
        table[key] = table[key] + 1
    yield table
    for value in (view := table.values()):
        yield value, list(view)


@case()
@resumable
def views_stay_views():
    table = {"a": 1, "b": 2}
    keys, items = table.keys(), table.items()
    yield list(keys)
    table["c"] = 3
    yield list(keys), list(items), "c" in keys


@case()
@resumable
def set_that_shrinks():
    left = {1, 2, 3}
    while left:
        item = left.pop()
        yield item
        say(len(left))


@case()
@resumable
def strings_of_a_set():
    for word in set(string.ascii_lowercase[:6]):
        say(("heard", len(word)))
        yield len(word)


@case()
@resumable
def deque_that_rotates():
    queue = collections.deque([1, 2, 3], maxlen=3)
    for _ in range(4):
        yield list(queue), queue.maxlen
        queue.append((yield queue[0]))


@case()
@resumable
def deque_changed():
    queue = collections.deque([1, 2, 3])
    for item in queue:
        yield item
        if item == 2:
            queue.append(9)


@case()
@resumable
def exhausted_iterators():
    walks = [iter(source) for source in ([], (), "", {}, set(), range(0), b"", collections.deque())]
    for walk in walks:
        say(list(walk))
    yield "all empty"
    yield [next(walk, "still") for walk in walks]


@case()
@resumable
def map_with_side_effects():
    def noisy(item):
        say(("mapped", item))
        return -item

    for item in map(noisy, [1, 2, 3]):
        yield item


@case()
@resumable
def map_that_raises():
    reciprocals = map(lambda item: 12 // item, [1, 0, 3])
    yield next(reciprocals)
    try:
        yield next(reciprocals)
    except ZeroDivisionError as error:
        yield error
    yield next(reciprocals)


@case()
@resumable
def strict_zip_raises():
    try:
        for pair in zip([1, 2, 3], "ab", strict=True):
            yield pair
    except ValueError as error:
        yield error


@case()
@resumable
def lambdas_in_iterators():
    limit = 3
    for item in filter(lambda item: item < limit, map(lambda item: item + 1, range(5))):
        yield item
        limit = 4
    walk = itertools.takewhile(lambda item: item != limit, itertools.count())
    yield next(walk)
    limit = 2
    yield list(walk)
