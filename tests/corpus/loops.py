"""for and while: else, break, continue, nesting, every kind of target."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from mobility import resumable
from tests.corpus.cases import NEXT, case, send
from tests.corpus.record import Bag, Countdown, Items, Legacy, op, say


@case(4)
@resumable
def counting(n):
    for i in range(n):
        yield i
    return "done"


@case(5)
@resumable
def for_else(n):
    for i in range(n):
        if i == 3:
            yield "skipping"
            continue
        yield i
    else:
        yield "else"
        say("ran to the end")
    yield "after"


@case([1, 2, 3, 4], 3)
@case([1, 2], 9, named="for_break_never")
@case([], 9, named="for_break_empty")
@resumable
def for_break(items, wanted):
    for item in items:
        sent = yield item
        if item == wanted or sent == "b":
            yield "found"
            break
    else:
        yield "missing"
        item = None
    yield item, items


@case(scripts={"stop early": [NEXT, send("stop"), NEXT, NEXT], "skip": [NEXT, send("skip"), send("skip"), NEXT]})
@resumable
def while_else():
    n = 0
    while n < 4:
        n += 1
        command = yield n
        if command == "stop":
            break
        if command == "skip":
            n += 1
            continue
        yield ("kept", n)
    else:
        yield "else"
    yield "after", n


@case()
@resumable
def while_yield_test():
    total = 0
    while (step := (yield total)) is None or step < 3:
        total += 1 if step is None else step
        if total > 6:
            break
    else:
        say("test was false")
        yield "else", step
    return total


@case()
@resumable
def while_true():
    seen = []
    while True:
        got = yield len(seen)
        seen.append(got)
        if len(seen) == 4:
            break
    return seen


@case()
@resumable
def while_not():
    count = 5
    while not (count < 2 or (yield count) == 3):
        count -= 1
    yield "left", count


@case(steps=16)
@resumable
def nested():
    for i in range(3):
        for j in "ab":
            if i == 1 and j == "a":
                continue
            yield i, j
            if i == 2:
                break
        else:
            yield "inner else", i
            continue
        yield "inner broke", i
    else:
        yield "outer else"


@case(steps=16)
@resumable
def break_through_levels():
    for i in [1, 2, 3]:
        n = 0
        while True:
            n += 1
            for c in ("x", "y"):
                yield i, n, c
                if c == "y":
                    break
            else:
                say("never")
            if n == 2:
                break
        if i == 2:
            break
    else:
        yield "never"
    yield i, n, c


@case()
@resumable
def else_with_continue():
    for i in range(2):
        for j in range(2):
            yield "in", i, j
        else:
            yield "else", i
            if i == 0:
                continue
            yield "else goes on", i
        yield "tail", i


@case()
@resumable
def targets():
    bag = Bag(hit=None)
    box = [None, None]
    for bag.hit in (1, 2):
        yield bag.hit
    for box[op(1)] in (3, 4):
        yield box[:]
    for a, (b, *c) in [(1, (2, 3, 4)), (5, "xy")]:
        yield a, b, c
    for [p, q] in {"k": 1, "l": 2}.items():
        yield p, q
    for box[(yield "which") or 0] in "z":
        yield box


@case()
@resumable
def bad_targets():
    try:
        for a, b in [(1, 2), (3,), (4, 5)]:
            yield a, b
    except ValueError as error:
        yield error
        yield a, b


@case()
@resumable
def deleted_loop_variable():
    for i in range(3):
        yield i
        del i
        yield "deleted"
    try:
        yield i
    except UnboundLocalError as error:
        yield error


@case()
@resumable
def changed_loop_variable():
    for i in range(3):
        i = i * 10 + 5
        yield i
        i = None
    yield i


@case()
@resumable
def changed_while_iterating():
    items = [1, 2, 3]
    for item in items:
        got = yield item
        if len(items) < 6:
            items.append(got or item * 10)
    yield items
    for item in items:
        yield item
        items.remove(item)
    yield items


@case()
@resumable
def dict_changed_while_iterating():
    table = {"a": 1, "b": 2, "c": 3}
    for key in table:
        yield key
        if key == "b":
            table["new"] = 4
    yield "never"


@case()
@resumable
def yield_in_iterable():
    for item in (yield "what") or [1, 2]:
        yield item
    for item in (yield 1), (yield 2):
        yield ("pair", item)


@case()
@resumable
def observed_iteration():
    for item in Items(1, 2):
        yield item
    for item in Countdown([7, 8]):
        yield item
        if item == 7:
            break
    yield "end"


@case()
@resumable
def same_iterator_twice():
    source = iter([1, 2, 3, 4, 5])
    for item in source:
        yield item, next(source, "no more")
        for other in source:
            yield "inner", other
            break
    yield list(source)


@case()
@resumable
def zipped_with_itself():
    source = iter(range(6))
    for pair in zip(source, source):
        yield pair
    yield list(source)


@case()
@resumable
def legacy_sequence():
    for item in Legacy(3):
        yield item


@case()
@resumable
def legacy_iterator_held():
    walk = iter(Legacy(3))
    yield next(walk)
    yield next(walk)
    yield list(walk)


@case()
@resumable
def no_iter_method():
    class Once:
        def __init__(self):
            self.left = 2

        def __next__(self):
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return self.left

    class Source:
        def __iter__(self):
            say("given out")
            return Once()

    for item in Source():
        yield item
    yield "end"
    for item in Once():
        yield item


@case()
@resumable
def raising_iterator():
    class Broken:
        def __init__(self):
            self.count = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.count += 1
            if self.count == 3:
                raise OSError("broken pipe")
            return self.count

    broken = Broken()
    try:
        for item in broken:
            yield item
    except OSError as error:
        yield error
    for item in broken:
        yield item
        if item > 5:
            break
    yield item


@case()
@resumable
def not_iterable():
    try:
        for item in (yield "of what"):
            yield item
    except TypeError as error:
        yield type(error)


@case()
@resumable
def loop_without_yield_inside():
    total = 0
    for i in range(5):
        if i == 3:
            continue
        total += i
    else:
        total += 100
    yield total
    while total > 90:
        total -= 7
    yield total


@case()
@resumable
def pass_and_ellipsis():
    for _ in range(2):
        pass
        yield
        ...
    else:
        pass
    "a string statement"
    yield ...


@case()
@resumable
def return_in_loops():
    for i in range(3):
        for j in range(3):
            got = yield i, j
            if (i, j) == (1, 1) or got == 4:
                return got, i, j


@case()
@resumable
def endless_with_state():
    a, b = 0, 1
    while 1:
        reset = yield a
        if reset:
            a, b = 0, 1
            continue
        a, b = b, a + b
        if a > 20:
            return


@case()
@resumable
def loop_over_own_list():
    stack = [[1, [2, 3]], 4]
    while stack:
        top = stack.pop()
        if isinstance(top, list):
            stack.extend(reversed(top))
            yield "opened", len(top)
            continue
        yield top


@case()
@resumable
def bare():
    yield


@case()
@resumable
def never_yields():
    say("runs at the first next")
    return "value"
    yield


@case()
@resumable
def unreachable_tail():
    while True:
        yield 1
        return "out"
        yield "never"
    yield "never"


@case()
@resumable
def semicolons():
    x = yield 1
    yield x
    return x


@case()
@resumable
def unassigned_after_loop():
    for item in ():
        yield item
    yield "before"
    yield item
