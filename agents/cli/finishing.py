"""Running an unpacked unit to its end in this process, and writing what comes out of it.

What the unit itself prints goes to stdout as text, and to stderr where stdout is for JSON. An exception of the unit is
shown with its own frames alone, and with the lines of the source that came with it.
"""

from __future__ import annotations

import contextlib
import select
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO

from agents.cli.errors import NotRunnable, TimedOut, UnitFailed
from agents.cli.jsonable import as_json, brief_repr
from agents.cli.options import Format
from agents.cli.screen import escaped, escaped_lines, write_json

__all__ = ["finish"]

_NOWHERE: Final = "Run it at a place, where it can arrive; or pack a function or a generator."


def finish(unit: Any, output: Format, timeout: float | None) -> None:
    """Run a unit to its end.

    Raises
    ------
    NotRunnable
        If it needs a place, or cannot be called.
    UnitFailed
        If it raises anything but the interruption by a person.
    TimedOut
        If it was not finished in time.
    """
    writer = _Writer(output, sys.stdout)
    deadline = None if timeout is None else time.monotonic() + timeout
    with contextlib.redirect_stdout(sys.stderr) if output is Format.JSON else contextlib.nullcontext():
        if isinstance(unit, types.GeneratorType):
            result = _iterated(unit, writer, deadline, timeout)
        else:
            call = _call_of(unit)
            with _blaming():
                result = call()
            if isinstance(result, types.GeneratorType):
                result = _iterated(result, writer, deadline, timeout)
    writer.result(result)


def _iterated(
    generator: types.GeneratorType[Any, Any, Any], writer: _Writer, deadline: float | None, timeout: float | None
) -> Any:
    steps = 0
    try:
        while True:
            if deadline is not None and timeout is not None and time.monotonic() >= deadline:
                raise TimedOut(timeout, steps)
            with _blaming():
                try:
                    value = next(generator)
                except StopIteration as end:
                    return end.value
            steps += 1
            writer.yielded(value)
    finally:
        with _blaming():
            generator.close()  # its `finally` blocks are run now, and not somewhere in the end of the interpreter


def _call_of(unit: Any) -> Callable[[], Any]:
    named = f"an object of class {type(unit).__qualname__}"
    if callable(getattr(unit, "arrive", None)):
        raise NotRunnable(f"{named} has a method arrive(), which needs a place to arrive at", _NOWHERE)
    if callable(unit):
        return unit  # type: ignore[no-any-return]  # whatever it returns is the result
    run = getattr(unit, "run", None)
    if callable(run):
        return run  # type: ignore[no-any-return]  # as above
    raise NotRunnable(f"{named} can neither be called nor has it a method run()", _NOWHERE)


@contextlib.contextmanager
def _blaming() -> Iterator[None]:
    """What is raised within is the unit's doing, also an attempt to end the process; a person's Ctrl-C is not."""
    try:
        yield
    except (KeyboardInterrupt, UnitFailed):
        raise
    except BaseException as error:
        if isinstance(error, BrokenPipeError) and _stdout_is_gone():
            raise
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        trace = _trace(error)
        raise UnitFailed(escaped(name), escaped(_first_line(error)), trace) from None


def _first_line(error: BaseException) -> str:
    try:
        return str(error).split("\n", 1)[0][:500]
    except Exception:
        return ""


def _trace(error: BaseException) -> str:
    """The traceback without the frames of this file."""
    shown = error.__traceback__
    while shown is not None and shown.tb_frame.f_globals.get("__name__") in (__name__, "contextlib"):
        shown = shown.tb_next
    return "".join(traceback.format_exception(type(error), error, shown)).rstrip()


def _stdout_is_gone() -> bool:
    """Whether nobody reads the pipe any more; a second write would not tell, what could not be written is gone."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    try:
        poll.register((sys.__stdout__ or sys.stdout).fileno(), 0)
    except (OSError, ValueError):
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


class _Writer:
    """Writes values as they come, on the stdout of the process."""

    def __init__(self, output: Format, file: TextIO) -> None:
        self._json = output is Format.JSON
        self._file = file

    def yielded(self, value: Any) -> None:
        self._write("yielded", value)

    def result(self, value: Any) -> None:
        if self._json or value is not None:
            self._write("result", value)

    def _write(self, name: str, value: Any) -> None:
        with _blaming():
            line = as_json(value) if self._json else escaped_lines(brief_repr(value))
        if self._json:
            write_json({name: line}, file=self._file)
        else:
            print(line, file=self._file, flush=True)
