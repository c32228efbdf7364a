"""What runs in a cell: an agent's own code and values, wherever the cell is.

A function agent is a generator whose execution state travels (strong mobility). A class agent is an object whose
attributes travel: `arrive` starts anew at each place (weak mobility).

A class agent's `arrive(self, here)` returns `hop(...)`, `onward()`, `done(value)`, or nothing, which is ``done(None)``;
where nothing follows on its itinerary, `onward()` has it arrive once more, and the next one ends it. It may be a
generator: what it yields are effects, and what it returns is as above. Wherever it stands, its line and its local
variables are dropped when it moves, is cloned, or comes back from a file or a checkpoint. If what it returned does not
come about, `refused(self, here, error)`, if there is one, says what to do next.
"""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from agents.cell import Look, Outcome, Raised, Returned, Yielded, called, trace_of
from agents.classes import is_class_agent
from agents.effects import Conclude, Hop, Onward
from agents.errors import BadArrival
from agents.here import Here
from agents.luggage import read_start
from mobility.bundle.collecting import entry_of
from mobility.code import namespace_of
from mobility.errors import MobilityError
from mobility.resumable.plan import plan_of
from mobility.resumable.shipped import is_shipped
from mobility.state import discard

__all__ = ["Body", "FunctionBody", "ObjectBody", "body_of"]

#: What `mobility.bundle.pack` takes: the unit, and a function's arguments.
_Parts: TypeAlias = tuple[Any, Sequence[Any], Mapping[str, Any]]


class Body(Protocol):
    """See `agents.cell.Cell`, whose methods of the same names do the same."""

    @property
    def weak(self) -> bool:
        """Whether it starts anew wherever it arrives."""
        ...

    @property
    def package(self) -> str | None:
        """Where the code that came with it is loaded; None if it is a module of this host."""
        ...

    def advance(self, value: Any = None, error: BaseException | None = None) -> Outcome: ...
    def parts(self, anew: bytes | None = None) -> _Parts:
        """What travels; of a function that is to start anew, its entry and these arguments."""
        ...

    def use(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome: ...
    def leave(self) -> None: ...
    def close(self) -> Raised | None: ...
    def look(self) -> Look: ...


def body_of(unit: Any, here: Here, anew: bytes | None = None) -> Body:
    """The body of what was unpacked; of a function that starts anew, with the arguments that are given for it."""
    if anew is not None:
        args, kwargs = read_start(anew)
        unit = functools.partial(unit, *args, **kwargs)
    made = unit.func if isinstance(unit, functools.partial) else type(unit)
    return ObjectBody(unit, here) if is_class_agent(made) else FunctionBody(unit, here)


class FunctionBody:
    """A function with its arguments, and from its first step on its generator."""

    weak = False

    def __init__(self, unit: Any, here: Here) -> None:
        self._here = here
        self._unit: Any = unit
        self._begun = isinstance(unit, types.GeneratorType)

    @property
    def package(self) -> str | None:
        unit = self._unit
        if isinstance(unit, types.GeneratorType):
            return _package(None if unit.gi_frame is None else unit.gi_frame.f_globals.get("__name__"))
        return _package(getattr(getattr(unit, "func", None), "__module__", None))

    def advance(self, value: Any = None, error: BaseException | None = None) -> Outcome:
        try:
            if not self._begun:
                self._begun = True
                made = self._unit.func(self._here, *self._unit.args, **self._unit.keywords)
                if not isinstance(made, types.GeneratorType):
                    return Returned(made)
                _keep_code(self._unit, made)
                self._unit = made
            if error is not None:
                return self._yielded(self._unit.throw(error))
            fresh = inspect.getgeneratorstate(self._unit) == inspect.GEN_CREATED
            return self._yielded(self._unit.send(None if fresh else value))
        except StopIteration as end:
            return Returned(end.value)
        except BaseException as raised:  # SystemExit and KeyboardInterrupt of an agent end the agent, not the place
            return Raised(raised, trace_of(raised))

    def _yielded(self, effect: Any) -> Outcome:
        if not isinstance(effect, Conclude):
            return Yielded(effect)
        self._unit.close()
        return Returned(effect.value)

    def parts(self, anew: bytes | None = None) -> _Parts:
        if anew is not None:
            args, kwargs = read_start(anew)
            begun = isinstance(self._unit, types.GeneratorType)
            return entry_of(self._unit) if begun else self._unit.func, args, kwargs
        if isinstance(self._unit, types.GeneratorType):
            return self._unit, (), {}
        return self._unit.func, self._unit.args, self._unit.keywords

    def use(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        unit = self._unit
        return called(unit.func, (self._here, *unit.args, *args), {**unit.keywords, **kwargs})

    def leave(self) -> None:
        unit, self._unit = self._unit, None
        if isinstance(unit, types.GeneratorType):
            _left(unit)

    def close(self) -> Raised | None:
        return _closed(self._unit)

    def look(self) -> Look:
        unit = self._unit
        if not isinstance(unit, types.GeneratorType) or unit.gi_frame is None:
            name = getattr(getattr(unit, "func", unit), "__qualname__", type(unit).__qualname__)
            return Look(name, "", 0, "", ())
        return _look_at(unit)


class ObjectBody:
    """An object, or its class with arguments until it is made at the place where it is born."""

    weak = True

    def __init__(self, unit: Any, here: Here) -> None:
        self._here = here
        self._unit: Any = unit
        self._made = not isinstance(unit, functools.partial)
        self._running: types.GeneratorType[Any, Any, Any] | None = None
        self._hopping = False
        self._over = False

    @property
    def package(self) -> str | None:
        return _package((type(self._unit) if self._made else self._unit.func).__module__)

    def advance(self, value: Any = None, error: BaseException | None = None) -> Outcome:
        try:
            if not self._made:
                made = self._unit.func(*self._unit.args, **self._unit.keywords)
                _keep_code(self._unit, made)
                self._unit, self._made = made, True
            hopping, self._hopping = self._hopping, False
            if hopping and error is None:
                if value is None and self._running is None:  # nothing follows on its itinerary: it arrives once more
                    if self._over:
                        return Returned(None)
                    self._over = True
                if value is not None:  # the place where it is: it arrives
                    self._drop()
            running = self._running
            if running is not None:
                return self._goes_on(running, value, error)
            if error is None:
                return self._entered(self._unit.arrive(self._here), "arrive")
            refused = getattr(self._unit, "refused", None)
            if refused is None:
                return Raised(error, trace_of(error))
            return self._entered(refused(self._here, error), "refused")
        except BaseException as raised:  # as for a function
            return Raised(raised, trace_of(raised))

    def _entered(self, result: Any, method: str) -> Outcome:
        if not isinstance(result, types.GeneratorType):
            return self._said(result, method)
        self._running = result
        return self._goes_on(result, None, None)

    def _goes_on(self, running: types.GeneratorType[Any, Any, Any], value: Any, error: BaseException | None) -> Outcome:
        try:
            effect = running.throw(error) if error is not None else running.send(value)
        except StopIteration as end:
            self._running = None
            return self._said(end.value, running.__name__)
        self._hopping = isinstance(effect, Hop | Onward)
        if isinstance(effect, Conclude):
            self._drop()
            return Returned(effect.value)
        return Yielded(effect)

    def _said(self, result: Any, method: str) -> Outcome:
        match result:
            case None:
                return Returned(None)
            case Conclude():
                return Returned(result.value)
            case Hop() | Onward():
                self._hopping = True
                return Yielded(result)
            case _:
                name, kind = type(self._unit).__qualname__, type(result)
                wrong = BadArrival(f"{name}.{method}", f"a {kind.__module__}.{kind.__qualname__}")
                return Raised(wrong, f"{type(wrong).__name__}: {wrong}")

    def _drop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def parts(self, anew: bytes | None = None) -> _Parts:
        if self._made:
            return self._unit, (), {}
        args, kwargs = (self._unit.args, self._unit.keywords) if anew is None else read_start(anew)
        return self._unit.func, args, kwargs

    def use(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        raise TypeError("an object is no fragment")

    def leave(self) -> None:
        running, self._running, self._unit = self._running, None, None
        if running is not None:
            _left(running)

    def close(self) -> Raised | None:
        running, self._running = self._running, None
        return _closed(running)

    def look(self) -> Look:
        from mobility.bundle.preview import shown

        if not self._made:
            return Look(f"{self._unit.func.__qualname__}.arrive", "", 0, "", ())
        where = None if self._running is None else _look_at(self._running)
        name = f"{type(self._unit).__qualname__}.arrive"
        rows = tuple((n, k, t) for n, k, t in shown(_attributes(self._unit)))
        if where is None:
            return Look(name, "", 0, "", rows)
        return Look(where.function, where.file, where.line, where.text, rows)


def _package(module: Any) -> str | None:
    return module.partition(".")[0] if isinstance(module, str) and is_shipped(module) else None


def _keep_code(unit: functools.partial[Any], made: Any) -> None:
    """See to it that the modules of a function or class stay for what it has made."""
    namespace = namespace_of(getattr(unit.func, "__module__", None) or "")
    if namespace is not None:
        namespace.serve(made)


def _attributes(thing: Any) -> dict[str, Any]:
    """Those of the object itself, whatever its class defines to look at them."""
    found: dict[str, Any] = {}
    for kind in type(thing).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, types.MemberDescriptorType):  # of __slots__
                try:
                    found[name] = member.__get__(thing, type(thing))
                except AttributeError:
                    continue  # not bound
    try:
        found |= object.__getattribute__(thing, "__dict__")
    except AttributeError:
        pass
    return found


def _left(generator: types.GeneratorType[Any, Any, Any]) -> None:
    """Leave a generator. Of one that cannot be left, Python runs the ``finally`` blocks in any case: then on a thread
    of their own, since they are the agent's, and may last."""
    try:
        discard(generator)
    except MobilityError:
        threading.Thread(target=_closed, args=(generator,), name="cell-closing", daemon=True).start()


def _closed(generator: Any) -> Raised | None:
    if not isinstance(generator, types.GeneratorType):
        return None
    try:
        generator.close()
    except BaseException as raised:
        return Raised(raised, trace_of(raised))
    return None


def _look_at(generator: types.GeneratorType[Any, Any, Any]) -> Look:
    from mobility.bundle.preview import preview_of
    from mobility.plain import decode

    plan, frame = plan_of(generator.gi_code), generator.gi_frame
    line = frame.f_lineno if frame is not None else 0
    if plan is None:
        return Look(generator.__qualname__, generator.gi_code.co_filename, line, "", ())
    rows = plan.source.text.split("\n")
    text = rows[line - plan.source.node.lineno].strip() if 0 <= line - plan.source.node.lineno < len(rows) else ""
    told = decode(preview_of(generator))
    return Look(plan.qualname, plan.filename, line, text, tuple((n, k, t) for n, k, t in told["locals"]))
