"""Generators suspended where something of the user's would run if they were closed; `heard` records what ran."""

import contextlib
from collections.abc import Callable
from typing import Any

from mobility import resumable

heard: list[str] = []


class Manager:
    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *details: object) -> bool:
        heard.append("exit")
        return True


class Delegate:
    """An iterator with methods of its own; says when it is called by them."""

    def __iter__(self) -> "Delegate":
        return self

    def __next__(self) -> int:
        return 1

    def throw(self, *details: object) -> int:
        heard.append("throw")
        return 1

    def close(self) -> None:
        heard.append("close")

    def send(self, value: object) -> int:
        heard.append("send")
        return 1


class Held:
    """Says when it is collected."""

    def __del__(self) -> None:
        heard.append("collected")


@resumable
def in_finally_body():
    try:
        yield "here"
    finally:
        heard.append("finally")


@resumable
def in_body_of_everything():
    try:
        try:
            try:
                with Manager(), Manager() as manager:
                    yield "here"
                    heard.append("went on")
            except* ValueError:
                heard.append("except*")
            else:
                heard.append("else*")
        except BaseException:
            heard.append("except BaseException")
            raise
        except:
            heard.append("except")
        else:
            heard.append("else")
        finally:
            heard.append("inner finally")
            yield "in finally"
    finally:
        heard.append("outer finally")
        return 3


@resumable
def in_star_only():
    try:
        yield "here"
    except* BaseException:
        heard.append("except*")
    else:
        heard.append("else")
    finally:
        heard.append("finally")


@resumable
def in_loops():
    for i in range(2):
        try:
            while True:
                try:
                    yield "here"
                finally:
                    heard.append("inner")
                    continue
        except BaseException:
            heard.append("handler")
            continue
        finally:
            heard.append("outer")
            continue
    else:
        heard.append("else")


@resumable
def in_handler():
    with Manager():
        try:
            raise KeyError
        except KeyError as error:
            try:
                yield "here"
            finally:
                heard.append("finally")
        finally:
            heard.append("outer finally")


@resumable
def in_final_part():
    with contextlib.ExitStack() as stack:
        stack.enter_context(Manager())
        for i in [1]:
            try:
                break
            finally:
                yield "here"
                heard.append("rest of finally")


@resumable
def in_returning_finally():
    try:
        return 1
    finally:
        try:
            yield "here"
        finally:
            heard.append("finally")


@resumable
def in_raising_finally():
    try:
        raise KeyError(1)
    finally:
        yield "here"
        heard.append("finally")


@resumable
def in_match():
    match [1]:
        case [x]:
            try:
                yield "here"
            finally:
                heard.append("finally")


@resumable
def in_else():
    try:
        pass
    except KeyError:
        pass
    else:
        with Manager():
            yield "here"
    finally:
        heard.append("finally")


@resumable
def in_managers_own():
    with made_by_us():
        yield "here"
    heard.append("went on")


@contextlib.contextmanager
@resumable
def made_by_us():
    try:
        yield 1
        heard.append("after")
    except BaseException:
        heard.append("handler")
        raise
    finally:
        heard.append("inner finally")


@resumable
def delegating():
    try:
        yield from in_body_of_everything()
    finally:
        heard.append("delegating finally")


@resumable
def delegating_deep():
    with Manager():
        yield from delegating()


@resumable
def delegating_to_foreign():
    try:
        yield from Delegate()
    finally:
        heard.append("finally")


@resumable
def holding_in_list():
    inner = [in_finally_body(), {"k": in_handler()}]
    next(inner[0])
    next(inner[1]["k"])
    yield inner


@resumable
def holding_in_attribute():
    thing = Manager()
    thing.generator = in_finally_body()  # type: ignore[attr-defined]
    next(thing.generator)  # type: ignore[attr-defined]
    yield 1


@resumable
def holding_in_closure():
    inner = in_finally_body()
    next(inner)

    def use():
        return inner

    yield use


@resumable
def holding_in_loop():
    for _ in in_finally_body():
        try:
            yield 1
        finally:
            heard.append("loop finally")


@resumable
def holding_in_iterator():
    for _ in zip([1, 2], map(str, in_finally_body())):
        yield 1


@resumable
def holding_expression():
    inner = (x for x in in_finally_body())
    next(inner)
    yield 1


@resumable
def holding_itself():
    me = yield 1
    try:
        yield me
    finally:
        heard.append("finally")


FUNCTIONS: list[Callable[[], Any]] = [
    in_finally_body, in_body_of_everything, in_star_only, in_loops, in_handler, in_final_part, in_returning_finally,
    in_raising_finally, in_match, in_else, in_managers_own, delegating, delegating_deep, delegating_to_foreign,
    holding_in_list, holding_in_attribute, holding_in_closure, holding_in_loop, holding_in_iterator,
    holding_expression,
]  # fmt: skip
