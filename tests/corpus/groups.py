"""except*: yields in the body, in else, in finally and around, none in a handler."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import sys

from mobility import resumable
from tests.corpus.cases import NEXT, case, throw
from tests.corpus.record import op, say


@case(scripts={"group thrown": [NEXT, throw(ExceptionGroup, "g", [ValueError(1), OSError(2)]), NEXT, NEXT]})
@resumable
def star_basic():
    try:
        yield "body"
        raise ExceptionGroup("several", [ValueError(1), KeyError(2), ExceptionGroup("in", [ValueError(3)])])
    except* ValueError as group:
        say(group)
        caught = group
    except* KeyError:
        say(sys.exc_info()[1])
    else:
        yield "never"
    finally:
        yield "finally"
    yield caught


@case()
@resumable
def star_else():
    try:
        yield "body"
    except* ValueError:
        say("handled")
    else:
        yield "else"
        say("in else")
    finally:
        yield "finally"
    yield "after"


@case()
@resumable
def star_rest_goes_on():
    try:
        try:
            yield 1
            raise ExceptionGroup("mixed", [ValueError("v"), TypeError("t"), OSError("o")])
        except* (ValueError, OSError) as group:
            say(group)
        finally:
            yield "finally", sys.exc_info()[1]
    except ExceptionGroup as rest:
        yield rest


@case()
@resumable
def star_handler_raises():
    try:
        try:
            yield 1
            raise ExceptionGroup("two", [ValueError("v"), TypeError("t")])
        except* ValueError:
            raise KeyError("from a handler")
    except ExceptionGroup as both:
        yield both


@case()
@resumable
def star_naked():
    try:
        yield 1
        raise ValueError("naked")
    except* ValueError as group:
        kept = group
    yield kept


@case()
@resumable
def star_in_loop_and_try():
    for i in range(3):
        try:
            try:
                yield i
                if i == 1:
                    raise ValueError(i)
                if i == 2:
                    raise KeyError(i)
            except* ValueError:
                say("value")
            else:
                yield "else", i
        except KeyError as error:
            yield "plain", error
        finally:
            yield "finally", i


@case()
@resumable
def star_nested_in_handler():
    try:
        raise ValueError("outer")
    except ValueError:
        try:
            yield "body"
            raise OSError("inner")
        except* OSError as group:
            kept = group
        yield kept, sys.exc_info()[1]
        raise


@case()
@resumable
def star_around_with():
    from tests.corpus.record import Manager

    try:
        with Manager("a"), Manager("b", "raise-on-error"):
            yield "in"
            raise ValueError("x")
    except* LookupError as group:
        kept = group
    yield kept


@case()
@resumable
def group_held_across_yields():
    group = BaseExceptionGroup("base", [ValueError(1), KeyboardInterrupt(), ExceptionGroup("deep", [OSError(5, "io")])])
    group.add_note("noted")
    yield "made"
    match, rest = group.split(Exception)
    yield match
    yield rest
    try:
        raise group
    except BaseExceptionGroup as same:
        yield same is group, same.exceptions[2]
        raise
