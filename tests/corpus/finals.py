"""A finally that yields: the reason for which it was entered must survive, whatever happens inside."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import sys

from mobility import resumable
from tests.corpus.cases import CLOSE, NEXT, case, send, throw
from tests.corpus.record import op, say

REASONS = ("fall", "return", "break", "continue", "raise", "raise handled")


@resumable
def by_reason(reason):
    for i in range(3):
        try:
            yield "body", i
            if i == 1:
                if reason == "return":
                    return op("returned")
                elif reason == "break":
                    break
                elif reason == "continue":
                    continue
                elif reason == "raise":
                    raise ValueError(i)
                elif reason == "raise handled":
                    raise KeyError(i)
            yield "body end", i
        except KeyError as error:
            yield "handler", error
            say("handler end")
        else:
            yield "else"
        finally:
            yield "finally 1", sys.exc_info()[1]
            say(("between", i))
            yield "finally 2"
        yield "tail", i
    else:
        yield "loop else"
    yield "after"


@resumable
def final_within_final(reason):
    for i in range(2):
        try:
            try:
                yield "body", i
                if reason == "return":
                    return "inner return"
                if reason == "break":
                    break
                if reason == "continue":
                    continue
                if reason.startswith("raise"):
                    raise ValueError(i)
            finally:
                yield "inner", i
                try:
                    yield "inner try"
                finally:
                    yield "inner finally"
        finally:
            yield "outer", i
    yield "after"


@resumable
def two_reasons_pending(reason):
    """The inner try is left for one reason inside the finally entered for another."""
    for i in range(2):
        try:
            yield "body"
            raise KeyError("first reason")
        finally:
            yield "first finally", sys.exc_info()[1]
            try:
                yield "second body"
                if reason == "return":
                    return "second reason"
                if reason == "break":
                    break
                if reason == "continue":
                    continue
                if reason.startswith("raise"):
                    raise ValueError("second reason")
            finally:
                yield "second finally", sys.exc_info()[1]
                say(sys.exc_info()[0])
            yield "end of first finally"
    yield "after", i


@resumable
def final_overrides(reason):
    """A finally that leaves by itself drops the reason for which it was entered."""
    for first in ("fall", "return", "break", "continue", "raise"):
        for again in range(2):
            try:
                yield first, again
                if first == "return":
                    return "dropped"
                if first == "break":
                    break
                if first == "continue":
                    continue
                if first == "raise":
                    raise ValueError("dropped")
            finally:
                yield "finally", sys.exc_info()[1]
                if reason == "return":
                    return (yield "last")
                if reason == "break":
                    break
                if reason == "continue":
                    continue
                if reason.startswith("raise"):
                    raise LookupError(first)
        else:
            yield "else"
        yield "after the loop", sys.exc_info()


@resumable
def final_with_own_loop(reason):
    for i in range(2):
        try:
            if reason == "return":
                return (yield "value")
            if reason == "break":
                break
            if reason == "continue":
                continue
            if reason.startswith("raise"):
                raise ValueError(i)
            yield "fell"
        finally:
            for j in range(3):
                if j == 0:
                    continue
                yield "loop in finally", j
                if j == 2:
                    break
            while (yield "while in finally"):
                say("once more")
                break
            else:
                yield "while else"
    yield "after"


@resumable
def loops_between(reason):
    """The break leaves the loop inside the try, not the try; the return leaves both."""
    try:
        for i in range(3):
            try:
                for j in range(3):
                    yield i, j
                    if reason == "return" and (i, j) == (1, 1):
                        return i, j
                    if reason == "break" and j == 1:
                        break
                    if reason == "continue" and j == 1:
                        continue
                    if reason.startswith("raise") and i:
                        raise ValueError(i)
                    say(j)
                    if j:
                        break
                else:
                    yield "no break"
            finally:
                yield "finally of", i
                if i == 1 and reason == "break":
                    break
    finally:
        yield "outermost"


for _function in (
    by_reason,
    final_within_final,
    two_reasons_pending,
    final_overrides,
    final_with_own_loop,
    loops_between,
):
    for _reason in REASONS:
        case(_reason, named=f"{_function.__name__}_{_reason.replace(' ', '_')}", steps=20)(_function)


@case(
    scripts={
        "closed in the finally": [NEXT, CLOSE, NEXT, CLOSE],
        "thrown twice": [NEXT, throw(KeyError, 1), throw(ValueError, 2), NEXT],
    }
)
@resumable
def final_only():
    try:
        yield "body"
    finally:
        yield "finally"
        say("end of finally")


@case()
@resumable
def return_value_waits():
    items = [1]
    try:
        return items
    finally:
        items.append((yield "in finally"))
        items = "rebound"
        yield items


@case()
@resumable
def return_value_is_replaced():
    try:
        return (yield "first")
    finally:
        try:
            return (yield "second")
        finally:
            yield "third"


@case()
@resumable
def return_in_final_swallows():
    try:
        yield 1
        raise ValueError("swallowed")
    finally:
        yield 2
        return "calm"


@case()
@resumable
def break_in_final_swallows():
    for _ in range(3):
        try:
            yield 1
            raise ValueError("swallowed")
        finally:
            yield 2
            break
    yield sys.exc_info()
    for n in range(2):
        try:
            yield n
            raise ValueError("swallowed")
        finally:
            continue
    return "end"


@case()
@resumable
def raise_in_final_chains():
    try:
        try:
            yield 1
            raise ValueError("first")
        finally:
            yield 2
            raise KeyError("second")
    except KeyError as error:
        yield error


@case()
@resumable
def handler_left_in_every_way():
    for way in ("fall", "continue", "break", "raise"):
        try:
            for _ in range(1):
                try:
                    raise ValueError(way)
                except ValueError as error:
                    yield way, error
                    if way == "continue":
                        continue
                    if way == "break":
                        break
                    if way == "raise":
                        raise
                finally:
                    yield "finally", sys.exc_info()[1]
                yield "fell through"
            else:
                yield "else"
        except ValueError as error:
            yield "outer", error
        yield sys.exc_info()
    try:
        raise KeyError
    except KeyError:
        return (yield "returned from a handler")
    finally:
        yield "and its finally", sys.exc_info()


@case()
@resumable
def final_of_generator_exit():
    try:
        try:
            yield 1
            yield 2
        finally:
            say(("inner", sys.exc_info()[0]))
    except GeneratorExit:
        say("saw the exit")
        raise
    finally:
        say("outer")


@case()
@resumable
def many_sequential():
    try:
        yield 1
    finally:
        yield 2
    try:
        yield 3
    finally:
        yield 4
    try:
        pass
    finally:
        yield 5
    try:
        yield 6
    finally:
        say("no yield here")
    return 7


@case()
@resumable
def final_deletes_and_unbinds():
    x = 1
    try:
        yield x
        raise ValueError(x)
    except ValueError as x:
        yield x
    finally:
        try:
            yield x
        except UnboundLocalError as error:
            yield error
        x = "bound again"
    yield x


@case(scripts={"sent": [NEXT, send(1), send(2), send(3), send(4), NEXT]})
@resumable
def conditional_return_in_loop_in_final():
    while True:
        try:
            got = yield "ask"
        finally:
            for i in range(2):
                if (yield "in finally", i) == 3:
                    return "from a loop in a finally"
        if got is None:
            break
    yield got


@case(steps=14)
@resumable
def continue_in_final_of_loop_in_with_in_for_else():
    from tests.corpus.record import Manager

    for i in range(2):
        with Manager(("outer", i)):
            with Manager(("inner", i), "suppress"):
                for j in range(2):
                    try:
                        yield i, j
                        if j:
                            raise ValueError(i, j)
                    finally:
                        yield "finally", i, j
                        if i == 0:
                            continue
                else:
                    yield "inner else", i
            yield "with left", i
    else:
        yield "outer else"
    yield "after"
