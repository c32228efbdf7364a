"""Combinations sought for what a transformation is likely to get wrong."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import contextlib
import sys

from mobility import resumable
from tests.corpus.cases import CLOSE, NEXT, SEND_SELF, case, send, throw
from tests.corpus.record import Bag, Custom, Items, Manager, mix, op, say


@case(steps=16)
@resumable
def continue_in_final_in_with_in_for_else():
    for i in range(2):
        with Manager(i), Manager((i, "b"), "suppress"):
            for j in range(2):
                try:
                    yield i, j
                    raise ValueError(i, j)
                finally:
                    yield "finally"
                    if i == 0:
                        continue
                    if j == 1:
                        break
            else:
                yield "else"
        yield "left", i
    else:
        yield "outer else"


@case(steps=16)
@resumable
def handler_in_final_in_handler():
    try:
        try:
            yield 1
            raise ValueError("a")
        except ValueError as a:
            try:
                yield 2
                raise KeyError("b")
            finally:
                try:
                    yield 3, sys.exc_info()[1]
                    raise OSError("c")
                except OSError as c:
                    yield 4, a, c
                    try:
                        raise
                    except OSError:
                        yield 5, sys.exc_info()[1]
                yield 6, sys.exc_info()[1]
    except KeyError as b:
        yield 7, b
        raise Custom(8) from b


@case(steps=16)
@resumable
def return_through_everything():
    for i in range(2):
        try:
            with Manager("outer"):
                try:
                    with Manager("inner", "suppress"):
                        try:
                            for _ in range(1):
                                yield "body"
                                return op("value")
                        finally:
                            yield "finally 1"
                finally:
                    with Manager("in finally"):
                        yield "finally 2"
                    for j in range(2):
                        if j:
                            break
                        yield "finally 2 loop"
        finally:
            yield "finally 3"
            if i == 0:
                continue
        yield "never"
    else:
        yield "the return was dropped by continue"


@case()
@resumable
def exit_raises_while_returning():
    try:
        with Manager("m", "raise"):
            yield 1
            return "lost"
    except LookupError as error:
        yield error
    try:
        for _ in range(2):
            with Manager("n", "raise"):
                yield 2
                break
    except LookupError as error:
        yield error
    yield 3


@case(steps=14)
@resumable
def while_else_in_finally_with_pending_break():
    for i in range(3):
        try:
            yield i
            break
        finally:
            n = 2
            while n:
                n -= 1
                try:
                    yield "while", n
                    if n:
                        continue
                finally:
                    yield "inner finally", n
            else:
                yield "else"
    else:
        yield "never"
    yield "after", i


@case()
@resumable
def exception_replaced_again_and_again():
    error = None
    for i in range(3):
        try:
            try:
                if error:
                    raise error
                raise ValueError(i)
            finally:
                try:
                    yield i, sys.exc_info()[1]
                    raise KeyError(i)
                except KeyError as key:
                    key.add_note((yield "note") or f"note {i}")
                    raise
        except (KeyError, ValueError) as caught:
            error = caught
        yield error
    raise error


@case()
@resumable
def rebinding_inside_a_suspended_expression():
    x = [1]

    def change():
        nonlocal x
        x = [2]
        return x

    yield x + change() + ((yield "x was read") or []) + x
    y = x
    y += (yield "list kept") or [3]
    yield x is y, x
    x[0], x = (yield "pair") or (5, x)
    yield x


@case()
@resumable
def unbound_at_every_stage():
    yield "nothing bound"
    for name in ("a", "b"):
        try:
            if name == "a":
                yield a
            else:
                yield b.c[(yield "never")]
        except UnboundLocalError as error:
            yield error
    a = 1
    yield a
    del a
    try:
        a += yield "never"
    except UnboundLocalError as error:
        yield error
    try:
        mix(op(1), missing, (yield "never"))
    except UnboundLocalError as error:
        yield error
    b = missing = None


@case()
@resumable
def temporaries_that_are_falsy():
    for value in (0, "", None, [], False):
        yield [value, (yield value), value]
        yield (value or (yield "or")) is None, value is ((yield "is") or value)


@case()
@resumable
def thrown_and_sent_interleaved():
    log = []
    for i in range(8):
        try:
            log.append((yield i))
        except ValueError as error:
            try:
                log.append((yield "handling"))
            except KeyError:
                log.append(sys.exc_info()[1].__context__ is error)
                yield "both", error
        else:
            log.append("else")
    return log


@case(
    scripts={
        "throws in a row": [
            NEXT,
            throw(ValueError, 1),
            throw(KeyError, 2),
            throw(OSError, 3),
            throw(TypeError, 4),
            NEXT,
        ],
        "close in handler": [NEXT, throw(ValueError, 1), CLOSE, NEXT],
        "close in finally": [NEXT, NEXT, NEXT, CLOSE, CLOSE, NEXT],
    }
)
@resumable
def thrown_at_bad_moments():
    try:
        try:
            yield 1
        except ValueError:
            yield 2
        finally:
            try:
                yield 3, sys.exc_info()[1]
            except OSError as error:
                yield 4, error
            finally:
                yield 5, sys.exc_info()[1]
    except TypeError as error:
        yield 6, error


@case(scripts={"self": [NEXT, SEND_SELF, NEXT, NEXT, NEXT, NEXT]})
@resumable
def closes_itself():
    me = yield 1
    if me is None:
        return
    try:
        me.close()
    except ValueError as error:
        yield type(error)
    try:
        me.throw(KeyError)
    except ValueError as error:
        yield type(error)
    with Manager(me.__name__):
        yield me.gi_running


@case()
@resumable
def names_like_hidden_ones():
    label = _label = __label = i1 = m1 = e1 = t1 = state = resuming = target = 1
    once = Moved = landed = _ = sys_ = 2
    for once in range(2):
        with Manager("m1") as m1:
            try:
                yield label, once
                raise ValueError
            except ValueError as e1:
                yield m1, sorted(locals())
    yield Moved, _, state


@case()
@resumable
def deep_nesting():
    for a in range(2):
        while a < 2:
            with Manager(a):
                try:
                    if a:
                        match a:
                            case 1:
                                for b in [1]:
                                    try:
                                        with Manager("deep"):
                                            yield "deep", a, b
                                            raise ValueError
                                    except ValueError:
                                        while True:
                                            try:
                                                yield "deeper"
                                            finally:
                                                yield "finally"
                                                break
                                    else:
                                        yield "never"
                    else:
                        yield "shallow"
                finally:
                    a += 1
        yield "next"


@case(steps=16)
@resumable
def twenty_statements():
    yield 1
    a = yield 2
    b = (yield 3), a
    if b:
        yield 4
    yield 5
    for _ in "ab":
        yield 6
    with Manager("x"):
        yield 7
    yield 8
    try:
        yield 9
    finally:
        yield 10
    while (yield 11):
        yield 12
    return (yield 13)


@case()
@resumable
def same_exception_object_raised_twice():
    error = Custom(5, hint="same")
    for i in range(2):
        try:
            yield i
            raise error
        except Custom as caught:
            yield caught is error, caught
            caught.count = getattr(caught, "count", 0) + 1
    yield error


@case()
@resumable
def iterator_raises_at_once():
    class Bad:
        def __iter__(self):
            say("asked")
            raise OSError("no iterator")

    try:
        for _ in Bad():
            yield "never"
        else:
            yield "never"
    except OSError as error:
        yield error
    finally:
        yield "finally"


@case()
@resumable
def else_clauses_everywhere():
    for i in (1, 2):
        try:
            for j in ():
                yield "never"
            else:
                while False:
                    yield "never"
                else:
                    yield "both else", i
                    if i == 2:
                        raise ValueError
        except ValueError:
            yield "handler"
        else:
            yield "try else"
            continue
        finally:
            yield "finally"
        yield "end of body"
    else:
        yield "for else"


@case()
@resumable
def generator_in_its_own_structures():
    @resumable
    def child(parent_box):
        try:
            got = yield "child", len(parent_box)
            parent_box.append(got)
            yield "child again", parent_box
        finally:
            say("child ends")

    box = []
    held = child(box)
    box.append(held)
    yield next(held)
    yield held.send("sent")[0], box[0] is held, len(box)
    with contextlib.closing(held):
        yield "closing"
    yield held.gi_frame is None


@case()
@resumable
def chained_iterators_with_effects():
    source = Items(1, 2, 3, 4)
    walk = iter(source)
    for a in walk:
        for b in walk:
            yield a, b
            break
        else:
            yield "odd one out", a
    yield next(walk, "over")


@case()
@resumable
def try_in_loop_else_with_return_value():
    def work(n):
        return n * 2

    for attempt in range(3):
        try:
            value = work((yield attempt))
        except TypeError as error:
            last = error
            continue
        else:
            break
    else:
        return "failed", last
    return "worked", value


@case()
@resumable
def global_exception_state_is_restored():
    try:
        raise ValueError("mine")
    except ValueError:
        yield sys.exc_info()[1]
        for _ in range(2):
            try:
                yield sys.exc_info()[1]
                {}["x"]
            except KeyError:
                yield sys.exc_info()[1]
            yield sys.exc_info()[1]
    yield sys.exc_info()[1]


@case()
@resumable
def assertion_in_final_during_return():
    try:
        try:
            return (yield 1)
        finally:
            assert (yield 2), ("message", (yield 3))
    except AssertionError as error:
        yield error


@case()
@resumable
def imports_inside():
    import os.path as path, json
    from collections import OrderedDict as Ordered, deque

    yield path.basename("a/b"), json.dumps(1)
    from math import pi

    queue = deque([pi > 3])
    yield queue, Ordered(a=1)
    import xml.dom

    yield xml.dom.__name__, path.join("a", "b")


@case()
@resumable
def star_expression_targets_with_yield():
    first, *rest = (yield "items") or [1, 2, 3]
    yield first, rest
    for head, *tail in ([1, 2], [3]):
        yield head, tail
    bag = Bag()
    (bag.a, *bag.b), bag.c = "xyz", (yield "c")
    yield bag


@case()
@resumable
def del_of_a_held_manager_and_iterator_name():
    items = [1, 2]
    for item in items:
        del items, item
        manager = Manager("m")
        with manager:
            del manager
            yield sorted(locals())
        items = "rebound"
    yield items


@case()
@resumable
def exit_sees_the_exception_thrown():
    with Manager("a") as inside:
        with Manager("b", "suppress"):
            yield inside
        yield "after suppress"
        with Manager("c", "raise-on-error"):
            yield "c"
    yield "after"


@case()
@resumable
def send_into_for_iterable_and_with():
    for x in (yield "iterable") or "ab":
        with (yield "manager") or Manager(x) as y:
            for x, y in [(yield "pair") or (1, 2)]:
                yield x, y
    return x, y


@case()
@resumable
def lambda_default_and_decorator_read_before():
    n = 1
    f = lambda a=n, *, b=[n]: (a, b)
    n = (yield f()) or 2

    def g(a=n, b=f):
        return a, b()

    n = 3
    yield g(), g.__defaults__[1] is f
    f.__defaults__[0:]
    yield f()[1] is f()[1]
