"""yield from: resumable generators to any depth, plain iterators, and send / throw / close through them."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import itertools
import sys

from mobility import resumable
from tests.corpus.cases import CLOSE, NEXT, case, send, starts, throw
from tests.corpus.record import Countdown, Items, Legacy, op, say


@resumable
def inner(name, count=2):
    say(("begin", name))
    got = []
    try:
        for i in range(count):
            got.append((yield name, i))
    except ValueError as error:
        got.append((yield "caught", name, error))
    finally:
        say(("end", name, got))
    return name, got


@case(scripts={"sent": [NEXT, send("a"), send("b"), send("c"), NEXT]})
@resumable
def depth_one():
    result = yield from inner("x")
    yield "between", result
    result = yield from inner("y", 1)
    return result


@resumable
def middle(name):
    try:
        result = yield from inner(name)
        yield "middle", result
    except KeyError as error:
        result = yield from inner(("after", error), 1)
    finally:
        say(("middle ends", name))
    return [result]


@case(
    scripts={
        "key": [NEXT, throw(KeyError, "k"), NEXT, NEXT, NEXT],
        "twice": [NEXT, throw(ValueError, 1), throw(KeyError, 2), NEXT, NEXT],
    }
)
@resumable
def depth_three():
    result = yield from middle("m")
    for part in result:
        yield from inner(part, 1)
    return result


@resumable
def descend(n):
    if n:
        result = yield from descend(n - 1)
        yield "up", n, result
        return result + n
    yield "bottom"
    return 0


@case(5, steps=8)
@case(25, named="descend_far", steps=4)
def descent(n):
    return descend(n)


@resumable
def walk(tree):
    if isinstance(tree, int):
        yield tree
        return 1
    total = 0
    for branch in tree:
        total += yield from walk(branch)
    return total


@case(steps=12)
def tree_walk():
    return walk([1, [2, [3, 4], []], 5])


@case([[1, 2], "ab", (3,), range(2), {"k": 1}, {9}, b"z"], steps=14)
@resumable
def plain_iterables(sources):
    for source in sources:
        result = yield from source
        say(("result", result))
    return "end"


@case()
@resumable
def plain_iterators():
    yield from iter([1, 2])
    yield from map(str, [3, 4])
    yield from itertools.chain("a", "b")
    yield from zip("cd", itertools.count())
    yield from Items(5, 6)
    yield from Legacy(2)
    rest = iter("xyz")
    yield from itertools.islice(rest, 1)
    yield list(rest)


class Answering:
    """An iterator with send, throw and close of its own."""

    def __init__(self):
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        say(("send", value))
        self.count += 1
        if self.count > 3:
            raise StopIteration(("answered", value))
        return self.count, value

    def throw(self, kind, value=None, trace=None):
        say(("throw", kind if isinstance(kind, type) else type(kind)))
        return "thrown"

    def close(self):
        say("closed")


@case(scripts={"all ways": [NEXT, send(1), throw(ValueError, 2), send(3), send(4), NEXT]})
@resumable
def foreign_protocol():
    result = yield from Answering()
    yield "result", result
    try:
        yield from Countdown([1, 2])
    except ValueError as error:
        yield error


@case(scripts={"sent to a list": [NEXT, send(1), NEXT]})
@resumable
def send_to_what_cannot_take_it():
    try:
        yield from [1, 2, 3]
    except AttributeError as error:
        yield type(error)
    yield "after"


@case()
@resumable
def in_expressions():
    yield [(yield from inner("a", 1)), op(1), (yield from inner("b", 1))]
    x = (yield from [1]) or (yield from inner("c", 1))
    yield x
    if (yield from inner("d", 0))[1] == [] and not (yield from ()):
        yield "true"
    return (yield from inner("last", 1))


@case()
@resumable
def delegate_kept():
    delegate = inner("kept", 3)
    yield next(delegate)
    try:
        yield from delegate
    finally:
        say(("finished", delegate.gi_frame is None))
    yield "after"


@case()
@resumable
def delegates_by_hand():
    left, right = inner("l", 3), inner("r", 3)
    try:
        for a, b in zip(left, right):
            yield a, b
            if a[1]:
                break
        left.close()
        yield list(right)
    finally:  # so that the order does not depend on which of them the interpreter lets go of first
        left.close()
        right.close()


@case()
@resumable
def round_robin():
    running = [inner(n, n) for n in range(1, 4)]
    try:
        while running:
            for generator in list(running):
                try:
                    yield next(generator)
                except StopIteration as stop:
                    running.remove(generator)
                    yield "stopped", stop.value
    finally:
        for generator in running:
            generator.close()


@case()
@resumable
def same_delegate_twice():
    delegate = inner("shared", 3)
    yield next(delegate)
    pair = [delegate, delegate]
    yield next(pair[0]), next(pair[1])
    yield pair[0] is pair[1], list(pair[1])


@case()
@resumable
def unstarted_and_finished():
    fresh, over = inner("fresh"), inner("over", 0)
    say(list(over))
    yield "made"
    yield list(over), list(fresh)


@case()
@resumable
def delegates_in_parts():
    try:
        yield from inner("body", 1)
        raise ValueError("v")
    except ValueError:
        yield from inner("handler", 1)
        yield sys.exc_info()[1]
    else:
        yield from inner("never")
    finally:
        yield from inner("finally", 1)


@case()
@resumable
def delegate_sees_the_exception_in_progress():
    @resumable
    def look():
        yield sys.exc_info()[1]
        try:
            raise KeyError("own")
        except KeyError:
            yield sys.exc_info()[1]
        yield sys.exc_info()[1]

    try:
        raise ValueError("outer")
    except ValueError:
        yield from look()
        yield sys.exc_info()[1]


@case()
@resumable
def delegate_raises():
    @resumable
    def failing():
        yield 1
        raise LookupError("from the delegate")

    try:
        yield from failing()
    except LookupError as error:
        yield error
    yield from failing()


@case()
@resumable
def delegate_returns_generator():
    @resumable
    def factory():
        yield "making"
        return inner("made", 1)

    yield from (yield from factory())


@case()
@resumable
def delegate_ignores_exit():
    @resumable
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            say("refusing")
            yield 2

    yield from stubborn()


@case()
@resumable
def stop_iteration_value_object():
    @resumable
    def gives(value):
        yield "x"
        return value

    yield (yield from gives(StopIteration(1)))
    yield (yield from gives((1, 2)))
    yield (yield from gives(None))


@case()
@resumable
def yield_from_generator_expression():
    base = 10
    yield from (base + i for i in range(3))
    total = yield from (i for i in ())
    return total


@case()
@resumable
def produced_by_pipeline():
    @resumable
    def source():
        for i in range(6):
            say(("source", i))
            yield i

    @resumable
    def odds(items):
        for item in items:
            if item % 2:
                yield item

    @resumable
    def squares(items):
        for item in items:
            yield item * item

    yield from squares(odds(source()))


@resumable
def delegates_to_itself(depth, stack):
    stack.append(depth)
    yield list(stack)
    if depth < 3:
        yield from delegates_to_itself(depth + 1, stack)
        yield "back in", depth, list(stack)
    stack.pop()


starts("recursion_sharing_a_list", lambda: delegates_to_itself(0, []))


@case(scripts={"self": [NEXT, ("send_self",), NEXT, NEXT]})
@resumable
def holds_itself():
    me = yield "send me myself"
    yield type(me).__name__
    try:
        next(me)
    except (ValueError, TypeError) as error:
        yield type(error)
    here = [me]
    here.append(here)
    yield me is here[0], here[1] is here


@case(scripts={"self": [NEXT, ("send_self",), NEXT, NEXT, NEXT]})
@resumable
def delegates_to_its_own_running_self():
    me = yield "send me myself"
    if me is None:
        return "not sent"
    try:
        yield from me
    except ValueError as error:
        yield "already executing", type(error)
    yield me.gi_running
