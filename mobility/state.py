"""The execution state of a suspended generator: captured, restored, discarded; as an object and as bytes.

A snapshot is a pickle (protocol 5) in which a generator is the key of its function, a label and named values. Loading
one runs what the types of its values define, as pickle does: load only bytes whose origin you have verified.
"""

from __future__ import annotations

import copyreg
import io
import linecache
import pickle
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from mobility.errors import GeneratorRunning, MobilityError, SnapshotInvalid
from mobility.reducers.blame import explain
from mobility.reducers.generators import (
    CLOSED,
    CREATED,
    Reading,
    Session,
    Site,
    leave,
    read,
    reduce_generator,
    sessions,
)
from mobility.reducers.pickler import Pickler, QuickPickler, needs_reducer
from mobility.reducers.refusal import Refused
from mobility.reducers.view import View
from mobility.resumable.plan import plan_of
from mobility.resumable.registry import Home

__all__ = ["ExecutionState", "FunctionKey", "capture", "discard", "dumps", "loads", "move_by_reference", "restore"]

Status = Literal["created", "suspended", "closed"]
AnyGenerator: TypeAlias = "types.GeneratorType[Any, Any, Any]"  # not to be subscripted before 3.13
#: Values of these types refer to no generator.
_ATOMS = frozenset(
    {int, float, complex, bool, str, bytes, type(None), range, type(iter(range(0))), type(iter("")), type(iter("é"))}
)


@dataclass(frozen=True, slots=True)
class FunctionKey:
    """Which function: found by `module` and `qualname`, accepted only with the same source.

    Attributes
    ----------
    digest
        First 16 bytes of the SHA-256 of its source text.
    """

    module: str
    qualname: str
    digest: bytes

    def __str__(self) -> str:
        return f"{self.module}.{self.qualname} ({self.digest.hex()[:12]})"


@dataclass(frozen=True, slots=True)
class ExecutionState:
    """A snapshot of a suspended generator; it shares nothing with the generator.

    Attributes
    ----------
    function
        Whose generator it is.
    status
        ``"created"`` (not begun), ``"suspended"`` or ``"closed"``.
    filename, line, source_line
        Where it is suspended, and the text of that line.
    label
        The suspension, counted in the order of the text; 0 if it has not begun, -1 if it has ended. With the reasons
        for which the ``finally`` blocks around it were entered, if it is suspended in one.
    payload
        The snapshot, as `dumps` gives it.
    """

    function: FunctionKey
    status: Status
    filename: str
    line: int
    source_line: str
    label: int | tuple[Any, ...]
    payload: bytes

    @property
    def locals(self) -> dict[str, Any]:
        """Its local variables by the names in the source: copies, decoded anew at each access.

        A file appears as a :class:`~mobility.reducers.files.FilePosition`, a generator as a view of its own state:
        nothing is opened and nothing resumed.
        """
        return View.of(self.payload).locals

    def __str__(self) -> str:
        return f"{self.function} {self.status} at {self.filename}:{self.line}: {self.source_line}"


def capture(generator: AnyGenerator) -> ExecutionState:
    """Take a snapshot of a generator, which stays runnable.

    Raises
    ------
    NotMovable
        If it holds a value that cannot move; names variable, line, type and remedy.
    GeneratorRunning
        If it is executing.
    """
    _require_generator(generator, "captured")
    payload = dumps(generator)
    plan = plan_of(generator.gi_code)
    assert plan is not None  # dumps has refused any other
    frame = generator.gi_frame
    if frame is None:
        status: Status = "closed"
        label: int | tuple[Any, ...] = CLOSED
        line = plan.lines[0]
    else:
        status = "suspended" if generator.gi_suspended else "created"
        label = read(generator).label
        line = frame.f_lineno
    source_line = linecache.getline(plan.filename, line).strip()
    key = FunctionKey(plan.module, plan.qualname, plan.digest)
    return ExecutionState(key, status, plan.filename, line, source_line, label, payload)


def _require_generator(value: Any, done: str) -> None:
    if type(value) is not types.GeneratorType:
        raise TypeError(f"only a generator can be {done}, not {value!r:.80} of type {type(value).__qualname__}")


def restore(state: ExecutionState) -> AnyGenerator:
    """Make a native generator, suspended where the captured one was.

    Raises
    ------
    FunctionNotFound, SourceMismatch, SnapshotInvalid
        If it cannot be resumed in this process.
    """
    generator = loads(state.payload)
    if type(generator) is not types.GeneratorType:
        raise SnapshotInvalid(f"its top is a {type(generator).__qualname__}, not a generator")
    return generator


def dumps(generator: Any, *, buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None) -> bytes:
    """The snapshot of a generator as bytes; the generator stays runnable.

    Parameters
    ----------
    generator
        A suspended generator, or a container of several that are captured together: what they share stays shared.
    buffer_callback
        Called with each large buffer (PEP 574), which is then not copied into the result.

    Raises
    ------
    NotMovable, GeneratorRunning
        As `capture`.
    """
    file = io.BytesIO()
    if buffer_callback is None and _is_simple(generator):
        try:
            QuickPickler(file, 5).dump(generator)
            return file.getvalue()
        except Exception:
            file = io.BytesIO()  # a function or class from inside a function, or a value that cannot move at all
    pickler = Pickler(file, buffer_callback)
    try:
        pickler.dump(generator)
    except MobilityError:
        raise
    except Exception as error:
        raise _explained(generator, pickler, error) from error
    return file.getvalue()


def _is_simple(value: Any) -> bool:
    """Whether the quick pickler is likely to do."""
    plan = plan_of(value.gi_code) if type(value) is types.GeneratorType else None
    return plan is None or not plan.has_inner


def _explained(value: Any, pickler: Pickler, error: Exception) -> Exception:
    if isinstance(value, types.GeneratorType):
        return explain(value, error)
    # Of several generators captured together, the one whose turn it was.
    turn = next((g for g in reversed(pickler.visited) if plan_of(g.gi_code) is not None), None)
    turn = turn or (pickler.visited[-1] if pickler.visited else None)
    return explain(turn, error) if turn is not None else error


def loads(data: bytes | bytearray | memoryview, *, buffers: Iterable[Any] = ()) -> Any:
    """Make the generator (or container of generators) of a snapshot.

    Parameters
    ----------
    buffers
        The buffers that `dumps` handed out, in order.

    Raises
    ------
    FunctionNotFound, SourceMismatch, SnapshotInvalid
        If it cannot be resumed in this process.
    """
    session = Session()
    outer, sessions.current = sessions.current, session
    try:
        value = pickle.loads(data, buffers=buffers)
        session.prime()
    except MobilityError:
        raise
    except Exception as error:  # of the bytes, or of what the types of its values do when they are made
        raise SnapshotInvalid(f"decoding it failed ({type(error).__name__}: {error})") from error
    finally:
        sessions.current = outer
    return value


# -- leaving ----------------------------------------------------------------------------------------------------------


class _Nowhere(io.RawIOBase):
    """Takes bytes and keeps none."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def _reached(generator: AnyGenerator) -> tuple[list[AnyGenerator], list[Any]]:
    """The generators and the files that a snapshot of this one carries."""
    frame = generator.gi_frame
    if frame is None:
        return [], []
    values: Any = frame.f_locals
    alone = generator.gi_yieldfrom is None and all(type(value) in _ATOMS for value in values.values())
    if type(values) is dict:
        values.clear()
    if alone:
        return [generator], []
    pickler = Pickler(_Nowhere(), lambda _: False)  # type: ignore[arg-type]  # only write() is called
    try:
        pickler.dump(generator)
    except GeneratorRunning:
        raise
    except Exception:  # what cannot be captured is not gone; what was reached before it is left
        pass
    return [generator, *(g for g in pickler.visited if g is not generator)], pickler.files


def _close_unheld(files: list[Any]) -> None:
    """Close the files that nothing holds any more: they were reopened elsewhere, and would warn that they were not."""
    while files:
        file = files.pop()
        if sys.getrefcount(file) <= 2:  # this variable and the argument
            file.close()


def discard(generator: AnyGenerator) -> None:
    """Leave a generator that goes on elsewhere, without running its ``finally`` blocks and ``__exit__`` methods.

    Every generator that a snapshot of it carries is left as well. A generator that has ended is left alone.

    Raises
    ------
    GeneratorRunning
        If it, or one that it carries, is executing; then none is left.
    NotMovable
        If it was not made by a resumable function.
    """
    _require_generator(generator, "discarded")
    plan = plan_of(generator.gi_code)
    if plan is None:
        raise explain(generator, Refused("not made by a resumable function", "Close it, or decorate its function."))
    if generator.gi_running:
        raise GeneratorRunning(plan.name, "discarded")
    generators, files = _reached(generator)
    for reached in generators:
        delegate = reached.gi_yieldfrom
        if type(delegate) is types.GeneratorType and plan_of(delegate.gi_code) is None:
            raise explain(reached, Refused("a generator that is not resumable", "Close it, or let it end."))
    for reached in generators:
        leave(reached)
    _close_unheld(files)


def move_by_reference(generator: AnyGenerator) -> AnyGenerator:
    """Leave a generator and go on in a new one that holds the very same objects; its delegates likewise.

    No snapshot is made, so what cannot be pickled stays in place: for a restart within one process, and for tests.
    """
    reading = read(generator)
    values = dict(reading.values)
    delegate = values.get(".y")
    session = Session()
    made = _again(generator, reading, values, delegate, session)
    session.prime()
    return made


def _again(
    generator: AnyGenerator, reading: Reading, values: dict[str, Any], delegate: Any, session: Session
) -> AnyGenerator:
    if type(delegate) is types.GeneratorType and plan_of(delegate.gi_code) is not None and delegate.gi_suspended:
        inner = read(delegate)
        inner_values = dict(inner.values)
        moved = _again(delegate, inner, inner_values, inner_values.get(".y"), session)
        values = {name: moved if value is delegate else value for name, value in values.items()}
    leave(generator)
    plan = reading.plan
    home = Home(plan, reading.globals, {})
    closed = reading.label == CLOSED
    cells = reading.cells if not closed else {name: types.CellType() for name in plan.code.co_freevars}
    waiting = tuple(sorted(name for name in values if name[:2] == ".t"))
    made, holder = Site.of(home, CREATED if closed else reading.label, tuple(cells), waiting).land(cells)
    if closed:
        made.close()
    else:
        session.add(made, holder)
        holder.fill(values)
    return made


# -- plain pickle -----------------------------------------------------------------------------------------------------


def _reduce_for_any_pickler(generator: AnyGenerator) -> tuple[Any, ...]:
    """For ``pickle``, ``cloudpickle`` and ``dill``.

    A generator whose values these know as well is taken apart, so that it shares objects with the rest of the pickle.
    One that holds functions, iterators, exceptions or cells travels as a snapshot within.
    """
    if plan_of(generator.gi_code) is None:
        raise TypeError("cannot pickle 'generator' object")  # as ever
    try:
        reading = read(generator)
    except Refused as refused:
        raise TypeError(str(refused)) from refused
    if reading.cells or reading.plan.has_inner or any(needs_reducer(value) for value in reading.values.values()):
        return loads, (dumps(generator),)
    return reduce_generator(generator)


copyreg.pickle(types.GeneratorType, _reduce_for_any_pickler)
