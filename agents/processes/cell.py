"""`ProcessCell`: an agent in a process of its own.

The place has verified the bundle; the process gets its code, state and buffers, and no key. It is taken apart there and
signed here. Whatever becomes of the process, the place and its other agents go on; the agent has then failed.
"""

from __future__ import annotations

import pickle
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agents.cell import Cell, Landed, Look, Outcome, Raised, Returned, Yielded
from agents.errors import AgentsError, CellDied, CellFailed, ResultNotPlain, ValueNotPlain
from agents.here import Here
from agents.processes.effects import stand_in, unpacked, with_code
from agents.processes.failing import sendable
from agents.processes.far import Exhibits
from agents.processes.kept import Kept, KeptError
from agents.processes.line import Line, LineEnded, LineSilent
from agents.processes.parts import collected
from agents.processes.starting import start_child
from agents.terms import LaunchTerms
from agents.told import rebuilt
from mobility.bundle import Branch, Bundle, VerifiedBundle, pack
from mobility.bundle.manifest import SegmentKind
from mobility.bundle.unpacking import makings_of
from mobility.errors import MobilityError
from mobility.plain import PlainInvalid, decode
from mobility.trust import Identity, VerifiedPassport

__all__ = ["ProcessCell"]

#: Seconds for a process to be up and to have decoded the agent, for a look, and for the agent to be taken apart.
_MAKE: Final = 60.0
_LOOK: Final = 10.0
_COLLECT: Final = 120.0
_AS_IT_WAS: Final = Landed()


class ProcessCell:
    """In a process of its own. Parameters as of `agents.cell.InlineCell`.

    Raises
    ------
    CellFailed
        There is no process for it.
    mobility.errors.MobilityError
        It cannot be decoded here.
    """

    def __init__(self, verified: VerifiedBundle, here: Here, terms: LaunchTerms, landed: Landed = _AS_IT_WAS) -> None:
        make = makings_of(verified, weak=landed.anew is not None, decided=landed.verdict)
        self._agent = here.agent
        self._terms = terms
        self._code = make.code
        self._exhibits = Exhibits(here._surroundings, here.agent)
        self._number = 0
        self._left = False
        self._speaking = False
        self._lock = threading.Lock()
        entries = [entry for entry in verified.manifest.segments if entry.kind is SegmentKind.BUFFER]
        self._child = start_child()
        self._line = Line(self._child.connection, pickle.dumps, decode)
        weakref.finalize(self, self._child.end)
        given = {
            "agent": here.agent,
            "place": here.name,
            "code": make.code,
            "digest": make.digest,
            "entry": make.entry,
            "outside": make.outside,
            "anew": landed.anew,
            "writable": [entry.writable for entry in entries],
        }
        try:
            (how, *told), _ = self._exchange("make", given, [verified.state, *verified.buffers], seconds=_MAKE)
            if how != "made":
                raise self._problem(told)
            self._weak = bool(told[0])
        except LineEnded:
            how_it_ended = self._child.how_it_ended()
            self.leave()
            raise CellFailed(f"it {how_it_ended} while it was made") from None
        except LineSilent:
            self.leave()
            raise CellFailed(f"it was not made within {_MAKE:g} s") from None
        except BaseException:
            self.leave()
            raise

    @property
    def weak(self) -> bool:
        return self._weak

    package = None
    apart = True

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    # -- what it is told

    def _exchange(
        self, what: str, given: Any, buffers: Sequence[memoryview] = (), *, seconds: float | None
    ) -> tuple[list[Any], list[bytearray]]:
        """Have it do something, and meanwhile answer what it asks; its reply.

        Raises
        ------
        LineEnded, LineSilent
        """
        with self._lock:
            if self._is_left():
                raise LineEnded("it was left")
            self._speaking = True
        try:
            return self._exchanged(what, given, buffers, seconds)
        finally:
            with self._lock:
                self._speaking = False
                if self._is_left():
                    self._child.end()

    def _is_left(self) -> bool:
        return self._left

    def _exchanged(
        self, what: str, given: Any, buffers: Sequence[memoryview], seconds: float | None
    ) -> tuple[list[Any], list[bytearray]]:
        self._number += 1
        self._line.send((self._number, what, given), buffers)
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                message, large = self._line.receive(left)
                match message:
                    case ["ask", str() as act, str() as which, bytes() as arguments]:
                        self._tell(self._exhibits.answer(act, which, arguments))
                    case ["reply", int() as number, str() as how, *rest]:
                        if number == self._number:  # else that of one for which nobody waits any more
                            return [how, *rest], large
                    case _:
                        raise LineEnded("it does not speak as it should")
            except (PlainInvalid, LineEnded) as error:
                self._child.kill() if isinstance(error, PlainInvalid) else None
                raise LineEnded(str(error)) from error

    def _tell(self, answer: tuple[str, Any]) -> None:
        how, what = answer
        self._line.send((how, sendable(what)))

    def _problem(self, told: Sequence[Any]) -> MobilityError:
        """What it says is wrong, as an error of the tree."""
        error = self._raised(told[0]).error
        if isinstance(error, MobilityError):
            return error
        return CellFailed(f"{type(error).__qualname__}: {error}", state="The agent is as it was.", remedy="")

    def _raised(self, row: Any) -> Raised:
        try:
            told = {name: row[name] for name in ("kind", "text", "trace", "args", "attributes")}
            return Raised(rebuilt(self._agent, told), str(told["trace"]), told)
        except (KeyError, TypeError, AttributeError, ValueError):
            return self._died("does not speak as it should")

    def _died(self, how: str | None = None) -> Raised:
        error = CellDied(self._agent, how or self._child.how_it_ended())
        return Raised(error, f"{type(error).__name__}: {error}")

    # -- steps

    def advance(self, value: Any = None, error: BaseException | None = None) -> Outcome:
        if isinstance(error, CellDied):
            return Raised(error, f"{type(error).__name__}: {error}")
        problem = sendable(error)
        try:
            data = pickle.dumps(sendable(value))
        except Exception as unsent:  # it belongs to the place's process
            kind = type(value)
            data, problem = (
                pickle.dumps(None),
                ValueNotPlain(
                    f"what its yield gives, a {kind.__module__}.{kind.__qualname__},",
                    f"{type(unsent).__name__}: {unsent}",
                ),
            )
        try:
            given = (data, pickle.dumps(problem))
            reply, large = self._exchange("advance", given, seconds=None)
            return self._outcome(reply, large)
        except LineEnded:
            return self._died()
        except (KeyError, TypeError, ValueError, MobilityError):
            self._child.kill()
            return self._died("does not speak as it should")

    def _outcome(self, reply: list[Any], large: list[bytearray]) -> Outcome:
        match reply:
            case ["yielded", "call", None, None]:
                from agents.effects import Call

                return Yielded(Call(_in_its_process, (), {}))
            case ["yielded", "other", [str() as module, str() as qualname], None]:
                return Yielded(stand_in(module, qualname))
            case ["yielded", "effect", bytes() as data, header]:
                effect = unpacked(data)
                if header is not None:
                    effect = with_code(effect, collected(header, large, self._code))
                return Yielded(effect)
            case ["returned", bytes() as data]:
                return Returned(decode(data))
            case ["unplain", str() as path, str() as kind, str() as reason]:
                error = ResultNotPlain(self._agent, f"{path} is of type {kind}, and {reason}")
                return Raised(error, f"{type(error).__name__}: {error}")
            case ["raised", row] | ["problem", row]:
                return self._raised(row)
        raise ValueError("no outcome")

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        """There: the function is that of the last step, whatever is given."""
        try:
            reply, _ = self._exchange("call", None, seconds=None)
            match reply:
                case ["returned", bytes() as data]:
                    return Returned(decode(data))
                case ["kept"]:
                    return Returned(Kept())
                case ["raised", _]:
                    return Raised(KeptError(), "")
            raise ValueError("no outcome")
        except LineEnded:
            return self._died()
        except (ValueError, MobilityError):
            self._child.kill()
            return self._died("does not speak as it should")

    def not_a_fragment(self) -> str | None:
        (problem,), _ = self._asked("shape", None, _LOOK)
        return None if problem is None else str(problem)

    def use(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        try:
            reply, large = self._exchange("use", (list(args), dict(kwargs)), seconds=None)
            return self._outcome(reply, large)
        except LineEnded:
            return self._died()
        except (KeyError, TypeError, ValueError, MobilityError):
            self._child.kill()
            return self._died("does not speak as it should")

    def break_off(self) -> None:
        self.leave()

    # -- between steps

    def _asked(self, what: str, given: Any, seconds: float) -> tuple[list[Any], list[bytearray]]:
        """Have it do something that is none of the agent's steps.

        Raises
        ------
        CellDied, CellFailed, mobility.errors.MobilityError
        """
        try:
            (how, *told), large = self._exchange(what, given, seconds=seconds)
        except LineSilent:
            state = "The agent is as it was."
            raise CellFailed(f"it does not answer within {seconds:g} s", state=state, remedy="Try again.") from None
        except LineEnded:
            raise CellDied(self._agent, self._child.how_it_ended()) from None
        if how == "problem":
            raise self._problem(told)
        return told, large

    def pack(
        self,
        *,
        by: Identity,
        passport: VerifiedPassport,
        origin: str,
        to: str | None,
        luggage: bytes,
        branch: Branch | None = None,
        preview: bool = False,
        anew: bytes | None = None,
    ) -> Bundle:
        told, large = self._asked("collect", (preview, anew), _COLLECT)
        try:
            parts = collected(told[0], large, self._code)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self._child.kill()
            raise CellDied(self._agent, "does not speak as it should") from error
        return pack(
            parts,
            by=by,
            passport=passport,
            origin=origin,
            to=to,
            luggage=luggage,
            branch=branch,
            needs=self._terms.needs,
        )

    def look(self) -> Look:
        told, _ = self._asked("look", None, _LOOK)
        function, file, line, text, rows = told
        return Look(str(function), str(file), int(line), str(text), tuple((str(n), str(k), str(t)) for n, k, t in rows))

    def close(self) -> Raised | None:
        try:
            reply, _ = self._exchange("close", None, seconds=None)
        except LineEnded:
            return None if self._left else self._died()
        return None if reply[1] is None else self._raised(reply[1])

    def leave(self) -> None:
        with self._lock:
            self._left = True
            self._child.kill()
            if not self._speaking:  # else whoever does hears of it, and ends it
                self._child.end()

    def watch(self, died: Callable[[Cell, AgentsError], None]) -> None:
        """See `agents.cell.Mortal`."""
        mine = weakref.ref(self)

        def ended() -> None:
            cell = mine()
            if cell is not None and not cell._left:
                # Elsewhere: the resident's lock may be held by whoever waits for this thread.
                threading.Thread(target=lambda: died(cell, CellDied(cell._agent, cell._child.how_it_ended()))).start()

        self._child.watch(ended)


def _in_its_process() -> None:
    raise AssertionError("it runs in the agent's process")
