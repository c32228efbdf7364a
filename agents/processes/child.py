"""What runs in an agent's own process: it does what the place says, one thing at a time.

The agent runs in the main thread. What it asks of the place goes out while the place waits for the end of the step, so
the place listens; between two steps it does not, and then nothing can be asked.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import socket
import sys
import threading
import time
from typing import Any, Final, NoReturn

from agents import effects as does
from agents.body import Body, body_of
from agents.cell import Outcome, Raised, Returned, Yielded, called, not_a_fragment
from agents.here import Here, arriving
from agents.processes.effects import packed
from agents.processes.failing import received
from agents.processes.far import FarSurroundings, read_far_answer
from agents.processes.kept import Kept, KeptError
from agents.processes.line import Line, LineEnded
from agents.processes.parts import header_of
from agents.told import as_row
from agents.units import FetchedUnit
from mobility.bundle.collecting import collect, unit_of
from mobility.bundle.unpacking import Makings, made_of
from mobility.plain import NotPlain, encode

__all__ = ["ServedCell", "serve_place"]

_DEATHSIG: Final = 1  # <sys/prctl.h>: PR_SET_PDEATHSIG
_LOOK: Final = 1.0  # seconds
#: The kernel's killer takes the agent before the place: <linux/oom.h> goes up to 1000.
_OOM_SCORE: Final = "500"


def serve_place(descriptor: int, parent: int) -> NoReturn:
    """Serve the place at the other end of an inherited socket, until it is gone."""
    _end_with(parent)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OOM_SCORE)
    line = Line(socket.socket(fileno=descriptor), encode, pickle.loads)
    with contextlib.suppress(LineEnded):
        ServedCell(line).serve()
    os._exit(0)  # nothing of the agent is to run any more


def _end_with(parent: int) -> None:
    """End with whoever has started this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_look_after, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(0)


def _look_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(0)


class ServedCell:
    """The agent, and what it is told to do."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._here: Here
        self._body: Body
        self._agent = ""
        self._call: does.Call | None = None
        self._kept: Outcome | None = None
        self._working = False
        self._asking = threading.RLock()

    def serve(self) -> None:
        """Do one thing after the other."""
        while True:
            (number, what, given), buffers = self._line.receive(None)
            self._working = True
            reply, large = self._answer(what, given, buffers)
            with self._asking:  # a thread of the agent's has its answer first
                self._working = False
                self._line.send(["reply", number, *reply], large)

    def _answer(self, what: str, given: Any, buffers: list[bytearray]) -> tuple[list[Any], list[memoryview]]:
        try:
            match what:
                case "make":
                    return self._make(given, buffers), []
                case "advance":
                    return self._advance(*given)
                case "call":
                    return self._run_call(), []
                case "collect":
                    preview, anew = given
                    unit, args, kwargs = self._body.parts(anew)
                    header, large = header_of(collect(*unit_of(unit, args, kwargs), preview=preview))
                    return ["parts", header], large
                case "shape":
                    return ["shape", not_a_fragment(self._body.parts()[0])], []
                case "use":
                    args, kwargs = given
                    return _ended(self._body.use(args, kwargs)), []
                case "close":
                    raised = self._body.close()
                    return ["closed", None if raised is None else as_row(raised)], []
                case "look":
                    look = self._body.look()
                    rows = [list(row) for row in look.variables]
                    return ["seen", look.function, look.file, look.line, look.text, rows], []
        except BaseException as error:
            return ["problem", as_row(Raised(error, f"{type(error).__name__}: {error}"))], []
        raise AssertionError(f"a place says {what}")

    def _make(self, given: dict[str, Any], buffers: list[bytearray]) -> list[Any]:
        self._agent = given["agent"]
        self._here = Here(FarSurroundings(given["place"], self._ask), self._agent)
        state, *rest = buffers
        views = [
            memoryview(data) if writable else memoryview(data).toreadonly()
            for data, writable in zip(rest, given["writable"], strict=True)
        ]
        make = Makings(given["code"], given["digest"], given["entry"], given["outside"])
        with arriving(self._here):
            unit = made_of(make, memoryview(state).toreadonly(), views)
            self._body = body_of(unit, self._here, given["anew"])
        return ["made", self._body.weak]

    # -- steps

    def _advance(self, value: bytes, error: bytes) -> tuple[list[Any], list[memoryview]]:
        given, problem = self._given(value, error)
        kept, self._kept, self._call = self._kept, None, None
        if isinstance(given, Kept) and isinstance(kept, Returned):
            given = kept.value
        if isinstance(problem, KeptError) and isinstance(kept, Raised):
            problem = kept.error
        outcome = self._body.advance(given, problem)
        while True:
            match outcome:
                case Yielded():
                    try:
                        how, data, header, large = packed(self._agent, outcome.effect)
                    except BaseException as unsent:  # it is told at its yield, as it would be by the place
                        outcome = self._body.advance(None, unsent)
                        continue
                    if how == "call":
                        self._call = outcome.effect
                    return ["yielded", how, data, header], large
                case Returned() | Raised():
                    return _ended(outcome), []

    def _given(self, value: bytes, error: bytes) -> tuple[Any, BaseException | None]:
        """What its ``yield`` gives, and raises; it raises as well what hinders it from being given here."""
        package = self._body.package
        try:
            with arriving(self._here):
                given = received(pickle.loads(value), package)
            problem: BaseException | None = received(pickle.loads(error), package)
            if isinstance(given, FetchedUnit):
                given.unit  # noqa: B018  # loaded now: what cannot be is refused at the yield, not when it is called
        except Exception as unreadable:
            return None, unreadable
        return given, problem

    def _run_call(self) -> list[Any]:
        """Run the function that was yielded; what cannot be told the place stays here for the next step."""
        effect = self._call
        assert effect is not None
        outcome = called(effect.function, effect.args, effect.kwargs)
        if isinstance(outcome, Returned):
            try:
                return ["returned", encode(outcome.value)]
            except NotPlain:
                self._kept = outcome
                return ["kept"]
        self._kept = outcome
        assert isinstance(outcome, Raised)
        return ["raised", as_row(outcome)]

    # -- asking the place

    def _ask(self, what: str, which: str, arguments: bytes) -> Any:
        with self._asking:
            if not self._working:
                raise RuntimeError("the agent is between two steps, and its place does not listen to it")
            self._line.send(["ask", what, which, arguments])
            answer, _ = self._line.receive(None)
        how, what = answer
        if how == "error":
            body = getattr(self, "_body", None)  # not yet: it is being made
            raise received(what, None if body is None else body.package)
        return read_far_answer(answer, self._ask)


def _ended(outcome: Outcome) -> list[Any]:
    """What the place is told of an end."""
    match outcome:
        case Returned():
            try:
                return ["returned", encode(outcome.value)]
            except NotPlain as problem:
                return ["unplain", problem.path, problem.kind, problem.reason]
        case Raised():
            return ["raised", as_row(outcome)]
    raise AssertionError("it has not ended")
