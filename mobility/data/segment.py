"""The data segment: the values of a unit as a pickle of protocol 5, and its large buffers beside it.

The state is two pickles with one memo, so that what both hold stays shared: what the modules hold (see
`mobility.data.states`), and the unit. Nothing here looks at who signed it: decode only what was verified.
"""

from __future__ import annotations

import io
import pickle
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mobility.code import CodeNotFound, Namespace, Root, SourceMissing
from mobility.data.errors import NotPackable, StateInvalid
from mobility.data.states import ModuleState, Spot, put_in, resolve, shown_place
from mobility.data.writing import UnitPickler, unit_pickler
from mobility.errors import MobilityError
from mobility.reducers.blame import culprit, explain, reason_for
from mobility.reducers.by_dill import is_known
from mobility.reducers.closures import writing
from mobility.reducers.generators import Session, read, sessions
from mobility.reducers.values import remedy
from mobility.resumable.plan import plan_of
from mobility.resumable.shipped import original_name

__all__ = ["DataSegment", "decode_unit", "encode_unit", "unmovable"]


@dataclass(frozen=True, slots=True)
class DataSegment:
    """What `encode_unit` gives.

    Attributes
    ----------
    state
        The pickle.
    buffers
        Large buffers, as views of the memory of the values themselves: nothing is copied, so they must not change
        until they were sent.
    roots
        What the code segment must hold.
    outside
        Modules of installed distributions that the values name.
    used_dill, bytecode
        Whether dill was needed; whether the state holds bytecode, which binds it to this minor version of Python.
    """

    state: memoryview = field(repr=False)
    buffers: tuple[memoryview, ...] = field(repr=False)
    roots: frozenset[Root]
    outside: frozenset[str]
    used_dill: bool
    bytecode: bool


def encode_unit(unit: Any, modules: ModuleState, own: Namespace | None = None) -> DataSegment:
    """Write a unit and what its modules hold.

    Parameters
    ----------
    own
        Where the unit's code lives, if it came in a bundle.

    Raises
    ------
    NotMovable, NotPackable
        If a value cannot travel; names variable or path, type and remedy.
    GeneratorRunning
        If a generator is executing.
    ForeignCode
        If a value belongs to other code than the unit's.
    """
    by_dill: frozenset[type] = frozenset()
    before, writing.with_source = writing.with_source, True
    try:
        while True:
            buffers: list[pickle.PickleBuffer] = []
            pickler = unit_pickler(own, by_dill, buffers, modules)
            try:
                pickler.dump((modules.assigned, modules.contents))
                pickler.dump(unit)
            except MobilityError:
                raise
            except Exception as error:
                way, part, problem = _blamed(modules, unit, own, by_dill, error)
                kind = type(part)
                if kind in by_dill or remedy(part) is not None or not _for_dill(part, problem):
                    raise _explained(unit, way, part, problem, own, by_dill) from error
                by_dill |= {kind}
                continue
            return DataSegment(
                memoryview(pickler.file.getvalue()),
                tuple(buffer.raw() for buffer in buffers),
                frozenset(pickler.roots),
                frozenset(pickler.outside),
                pickler.used_dill,
                pickler.bytecode,
            )
    finally:
        writing.with_source = before


class _Dump:
    """Tries whether a value can travel."""

    def __init__(self, own: Namespace | None, by_dill: frozenset[type]) -> None:
        self.own = own
        self.by_dill = by_dill

    def __call__(self, value: Any) -> None:
        UnitPickler(self.own, self.by_dill, []).dump(value)


def _blamed(
    modules: ModuleState, unit: Any, own: Namespace | None, by_dill: frozenset[type], error: BaseException
) -> tuple[str, Any, BaseException]:
    """The way to the innermost value that cannot travel, that value, and what is wrong with it."""
    dump = _Dump(own, by_dill)
    named = [(shown_place(place), value) for place, value in modules.values()]
    for way, value in (*named, ("the unit", unit)):
        problem = _problem(dump, value)
        if problem is None:
            continue
        way, part = _innermost(way, value, dump)
        return way, part, _problem(dump, part) or problem
    return "the unit", unit, error


def _innermost(way: str, value: Any, dump: _Dump) -> tuple[str, Any]:
    """As `culprit`, and on into the variables of suspended generators."""
    way, part = culprit(way, value, dump)
    if isinstance(part, types.GeneratorType) and plan_of(part.gi_code) is not None and not part.gi_running:
        reading = read(part)
        for name, held in {**reading.values, **reading.cells}.items():
            if held is not value and _problem(dump, held) is not None:
                return _innermost(f"{way}: {name}", held, dump)
    return way, part


def _problem(dump: _Dump, value: Any) -> BaseException | None:
    try:
        dump(value)
    except (Exception, RecursionError) as error:
        return error
    return None


def _for_dill(part: Any, problem: BaseException) -> bool:
    cannot = isinstance(problem, TypeError | pickle.PicklingError | AttributeError)
    return cannot and not isinstance(part, types.GeneratorType | types.FunctionType) and is_known(type(part))


def _explained(
    unit: Any, way: str, part: Any, problem: BaseException, own: Namespace | None, by_dill: frozenset[type]
) -> MobilityError:
    if isinstance(problem, MobilityError):
        return problem
    if isinstance(part, types.GeneratorType):
        return explain(part, problem, _Dump(own, by_dill))
    if isinstance(unit, types.GeneratorType) and plan_of(unit.gi_code) is not None and way.startswith("the unit"):
        return explain(unit, problem, _Dump(own, by_dill))
    kind = type(part)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    known = remedy(part)
    reason, what_to_do = reason_for(problem)
    if known is not None:
        reason, what_to_do = "it is bound to this process or this machine", known
    if isinstance(part, types.FunctionType):
        return SourceMissing(f"{way} holds the function {part.__qualname__}, which", reason, what_to_do)
    return NotPackable(way, name, reason, what_to_do)


# -- reading ----------------------------------------------------------------------------------------------------------


class _UnitUnpickler(pickle.Unpickler):
    """Leads the names of the project's modules to those that were shipped along."""

    def __init__(self, state: Any, buffers: Iterable[Any], namespace: Namespace) -> None:
        super().__init__(io.BytesIO(state), buffers=buffers)
        self.namespace = namespace

    def persistent_load(self, pid: Any) -> Any:
        place, kind = pid
        return resolve(self.namespace, place, kind)

    def find_class(self, module: str, name: str) -> Any:
        original = original_name(module)
        if original not in self.namespace.modules:
            return super().find_class(module, name)
        found: Any = self.namespace.load(original)
        for part in name.split("."):
            found = getattr(found, part, _MISSING)
            if found is _MISSING:
                raise CodeNotFound(f"{original}.{name}")
        return found


_MISSING = object()


def decode_unit(state: bytes | memoryview, buffers: Iterable[Any], namespace: Namespace, *, unit: bool = True) -> Any:
    """Make the unit that a verified state describes.

    Parameters
    ----------
    unit
        Whether to go on to the unit itself, after what its modules hold; None is returned otherwise.

    Raises
    ------
    StateInvalid, CodeNotFound, LoadFailed, FunctionNotFound, SourceMismatch, SnapshotInvalid
        If that fails in this process; nothing was resumed.
    """
    session = Session(namespace.here)
    outer, sessions.current = sessions.current, session
    try:
        namespace.execute()
        unpickler = _UnitUnpickler(state, buffers, namespace)
        _put_in(unpickler.load(), namespace)
        made = unpickler.load() if unit else None
        session.prime()
    except (MobilityError, KeyboardInterrupt):
        raise
    except BaseException as error:  # of the bytes, or of what the types of its values do when they are made
        raise StateInvalid(f"{type(error).__name__}: {error}") from error
    finally:
        sessions.current = outer
    return made


def _put_in(loaded: Any, namespace: Namespace) -> None:
    match loaded:
        case (dict() as assigned, dict() as contents):
            put_in(namespace, assigned, contents)
        case _:
            raise StateInvalid("it does not begin with what the modules hold")


def unmovable(modules: ModuleState) -> set[Spot]:
    """The places whose values belong to this process, so that they cannot travel."""
    return {place for place, value in modules.assigned.items() if remedy(value) is not None}
