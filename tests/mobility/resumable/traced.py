"""Functions for the tests of tracing; run as written, and with `resumable` doing nothing.

Each is driven with ``next`` to its end. A line that only one of them would show is what the tests look for.
"""

import contextlib

from mobility import resumable


class Note:
    def __init__(self, swallow=False):
        self.swallow = swallow

    def __enter__(self):
        return self

    def __exit__(self, *details):
        return self.swallow


@resumable
def for_break():
    for i in range(5):
        if i == 1:
            continue
        yield i
        if i == 3:
            break
    else:
        yield "else"
    yield "after"


@resumable
def for_else():
    total = 0
    for a, b in [(1, 2), (3, 4)]:
        total += yield_value(a)
        yield total
        total += b
    else:
        yield "else"


def yield_value(value):
    return value


@resumable
def while_else():
    n = 3
    while n:
        n -= 1
        if n == 1:
            continue
        yield n
    else:
        n = 10
    while True:
        yield n
        break


@resumable
def while_yields():
    n = 0
    while (yield n) is None:
        n += 1
        if n > 2:
            break
    else:
        yield "never"


@resumable
def try_except():
    try:
        yield 1
        int("x")
    except TypeError:
        yield "wrong"
    except ValueError as error:
        yield str(error)
    else:
        yield "else"
    finally:
        yield "finally"
    yield 3


@resumable
def try_plain_handlers():
    for word in ["1", "x", None]:
        try:
            yield word
            value = int(word)
        except ValueError:
            value = -1
        except TypeError:
            continue
        else:
            value += 1
        finally:
            done = True
        yield value


@resumable
def try_finally_leaves():
    for i in range(3):
        try:
            yield i
            if i == 0:
                continue
            if i == 1:
                break
        finally:
            yield "f"
    try:
        yield 1
        return 5
    finally:
        x = 1
        x = 2


@resumable
def try_finally_raises():
    try:
        try:
            yield 1
            raise KeyError(1)
        finally:
            y = 2
            yield y
    except KeyError:
        pass
    yield 4


@resumable
def with_statement():
    with Note() as note, Note():
        yield 1
        note.x = 2
    with Note(swallow=True):
        yield 2
        raise ValueError
    with (
        Note() as a,
        Note() as b,
    ):
        yield (a.swallow, b.swallow)
    yield 3


@resumable
def with_in_loop():
    for i in range(3):
        with Note(True):
            yield i
            if i == 0:
                continue
            if i == 1:
                raise KeyError
            break
    yield 1


@resumable
def match_statement():
    for subject in (1, [1, 2], {"k": 3}, "other"):
        match subject:
            case 1:
                yield "one"
            case [a, b] if a > 5:
                yield "big"
            case [a, b]:
                x = a + b
                yield x
            case {"k": v}:
                yield v
            case _:
                pass
    yield "end"


@resumable
def expressions():
    a = [
        1,
        (yield 1),
        3,
    ]
    b = (yield 2) or (yield 3)
    c = yield_value((yield 4))
    if (yield 5) is None and (yield 6) is None:
        d = f"{(yield 7)} {b}"
    a[0] += (yield 8) or 1
    assert (yield 9) is None, "no"
    return a, b, c, d


@resumable
def genexpr():
    total = sum(i for i in range(3) if i)
    yield total
    for j in (x for x in [1, 2] if x > 1):
        yield j
    words = [w for w in "ab"]
    yield words


@resumable
def nested_functions():
    count = 0

    def step():
        nonlocal count
        count += 1
        return count

    class Inner:
        x = 1

        def method(self):
            return self.x

    yield step()
    yield Inner().method()
    f = lambda: count
    yield f()


@resumable
def delegating():
    got = yield from for_break()
    yield got
    yield from [1, 2]
    try:
        yield from try_except()
    finally:
        last = 1


@resumable
def except_star():
    try:
        yield 1
        raise ExceptionGroup("g", [ValueError(1), KeyError(2)])
    except* ValueError as group:
        x = 1
    except* KeyError:
        x = 2
    else:
        yield 3
    yield x


@resumable
def raising():
    yield 1
    x = 0
    try:
        yield 2
        1 / x
    except ZeroDivisionError as error:
        yield 3
        raise ValueError("deep") from error


@resumable
def managed():
    with suppressing(KeyError) as x:
        yield x
        {}[1]
    yield 2


@contextlib.contextmanager
@resumable
def suppressing(kind):
    try:
        yield 1
    except kind:
        pass


FUNCTIONS = [name for name, value in list(vars().items()) if callable(value) and hasattr(value, "__code__")]
NAMES = [name for name in FUNCTIONS if name not in ("yield_value", "suppressing", "resumable")]
# With a statement on several lines.
SPREAD = {"for_else", "with_statement", "expressions", "genexpr"}
