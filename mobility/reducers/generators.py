"""Reads a suspended generator, and makes one again.

A generator is made in three steps, so that cycles through it work: `make` makes it without its values, `fill` gives it
the values, and `Session.prime` runs it up to the very suspension at which it was read. A generator that another one
delegates to is not primed by itself: the other's first step reaches it through ``yield from``.
"""

from __future__ import annotations

import gc
import sys
import threading
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from mobility.errors import GeneratorRunning, SnapshotInvalid
from mobility.reducers.refusal import Refused
from mobility.resumable._runtime import NEVER, OBJECTS, UNBOUND, Moved, Relay, WaitingRelay
from mobility.resumable.plan import Plan, plan_of, split_label
from mobility.resumable.registry import Bounded, Home, find, is_outdated
from mobility.resumable.shipped import home_name

__all__ = [
    "CLOSED",
    "CREATED",
    "Reading",
    "Session",
    "Site",
    "fill",
    "leave",
    "locate",
    "module_here",
    "read",
    "reduce_generator",
    "sentinel",
    "sessions",
    "thaw",
]

#: Labels of a generator that has not begun, and of one that has ended.
CREATED = 0
CLOSED = -1

_DELEGATE = ".y"
_EMPTY = types.CellType()
#: Delegations that fit anywhere.
_SHALLOW = 50
_EXPRESSION = "Write the expression inside the resumable function, or as a resumable generator function"
Label = int | tuple[Any, ...]
AnyGenerator: TypeAlias = "types.GeneratorType[Any, Any, Any]"  # not to be subscripted before 3.13


@dataclass(slots=True)  # not frozen: that would double the time of a capture
class Reading:
    """What a suspended generator consists of; the values are its own, not copies.

    Attributes
    ----------
    values
        Variables by name: the user's, the hidden ones that a landing needs, and ``.y``, what it delegates to.
    cells
        Captured variables, as cells.
    """

    plan: Plan
    label: Label
    values: dict[str, Any]
    cells: dict[str, types.CellType]
    globals: dict[str, Any]


class _Land(list[Any]):
    """What a landing takes over, last first; filled in after the generator exists."""

    __slots__ = ("delegates", "label", "slots", "takeover")

    slots: tuple[str, ...]
    takeover: tuple[str, ...]
    delegates: bool
    label: int

    def fill(self, state: dict[str, Any]) -> None:
        get = state.get
        hidden = [get(name) for name in self.slots]
        hidden[0] = self.label or -1
        self[:] = [[get(name, UNBOUND) for name in self.takeover], hidden]
        if _DELEGATE in state:
            self.insert(0, state[_DELEGATE])
            self.delegates = True

    def relay(self) -> None:
        """Let the delegate wait: its next step was asked for before it moved."""
        if type(self[0]) not in OBJECTS["plain_iterators"]:
            self[0] = WaitingRelay(self[0])


# -- reading --------------------------------------------------------------------------------------------------------


def _closure(generator: AnyGenerator) -> dict[str, types.CellType]:
    """The free variables of a generator's function, which its frame refers to."""
    code = generator.gi_code
    if not code.co_freevars:
        return {}
    for referent in gc.get_referents(generator):
        if type(referent) is types.FunctionType and referent.__code__ is code:
            return dict(zip(code.co_freevars, referent.__closure__ or (), strict=True))
    raise Refused("a generator whose function cannot be reached", "Restore it from an earlier snapshot.")


def read(generator: AnyGenerator) -> Reading:
    """Read a generator that is not executing.

    Raises
    ------
    GeneratorRunning
        If it is executing.
    Refused
        If it was not made by a resumable function.
    """
    code = generator.gi_code
    plan = plan_of(code)
    if plan is None:
        name = code.co_qualname
        how = f"Decorate {name} with @resumable" if not name.endswith("<genexpr>") else _EXPRESSION
        raise Refused(f"a generator of {name}, which is not resumable", f"{how}, or exhaust it into a list first.")
    frame = generator.gi_frame
    if frame is None:
        return Reading(plan, CLOSED, {}, {}, {})
    if generator.gi_running:
        raise GeneratorRunning(plan.name, "captured")
    variables: dict[str, Any] = frame.f_locals
    cells = _closure(generator)
    if not generator.gi_suspended:
        if _runs(generator) or ".label" in variables:  # another thread has just begun it
            raise GeneratorRunning(plan.name, "captured")
        return _read_created(plan, variables, cells, frame.f_globals)
    number: int = variables[".label"]
    inner = variables.get(".cells")
    if inner is not None:
        cells = {**cells, **dict(zip(inner.__code__.co_freevars, inner.__closure__, strict=True))}
    slots = plan.slots[number]
    values = {
        name: value
        for name, value in variables.items()
        if (name not in cells if name[0] != "." else name in slots or name[1] == "t") and name != ".label"
    }
    waiting = variables.get(_DELEGATE)
    if type(variables) is dict:
        variables.clear()  # before 3.13 the frame keeps this dict, which would keep the values alive
    label: Label = number
    finals = plan.finals[number]
    if finals:
        label = (number, *(_reason(values.get(f".f{slot}")) for slot in finals))
    if number in plan.delegating:
        # Right after a landing, a plain iterator has not been delegated to yet.
        delegate = generator.gi_yieldfrom
        if delegate is None:
            delegate = waiting
        values[_DELEGATE] = delegate.delegate if type(delegate) is Relay else delegate
    return Reading(plan, label, values, cells, frame.f_globals)


def _runs(generator: AnyGenerator) -> bool:
    return generator.gi_running


def _read_created(
    plan: Plan, variables: dict[str, Any], cells: dict[str, types.CellType], globals_: dict[str, Any]
) -> Reading:
    land = variables.get(".land")
    if isinstance(land, _Land):  # restored, and not begun since
        values = dict(zip(land.takeover, land[0], strict=True)) | dict(zip(land.slots, land[1], strict=True))
        values = {n: v for n, v in values.items() if v is not UNBOUND and n != ".label"}
    else:
        values = {name: value for name, value in variables.items() if name not in cells}
        # Nobody shares these yet; a landing needs them as cells from the start.
        own = {name: types.CellType() for name in plan.captured if name not in cells}
        for name in own.keys() & values.keys():
            own[name].cell_contents = values.pop(name)
        cells = {**cells, **own}
    if type(variables) is dict:
        variables.clear()
    return Reading(plan, CREATED, values, cells, globals_)


def _reason(recorded: Any) -> str:
    if recorded is None:
        return "fall"
    return "raise" if isinstance(recorded, BaseException) else str(recorded)


def reduce_generator(generator: AnyGenerator) -> tuple[Any, ...]:
    """The generator as pickle wants it: `thaw`, its arguments, its values, `fill`."""
    reading = read(generator)
    plan = reading.plan
    module = home_name(plan.module, reading.globals)
    arguments: tuple[Any, ...] = (module, plan.qualname, plan.digest, reading.label)
    values = reading.values
    waiting = tuple(sorted([name for name in values if name[:2] == ".t"])) if plan.has_temporaries else ()
    if reading.cells or waiting:
        shared = {name: cell for name, cell in reading.cells.items() if name not in plan.provided}
        names = tuple(sorted(shared))
        unsure = tuple([n for n in names if n in plan.captured and (n in plan.deleted or shared[n] == _EMPTY)])
        arguments += (names, tuple([shared[name] for name in names]), waiting, unsure)
    if generator.__qualname__ != plan.code.co_qualname or generator.__name__ != plan.code.co_name:
        nothing: tuple[tuple[Any, ...], ...] = ((), (), (), ())
        arguments += (*nothing[len(arguments) - 4 :], (generator.__name__, generator.__qualname__))
    if reading.label == CLOSED:
        return thaw, arguments
    return thaw, arguments, values, None, None, thaw


# -- making ---------------------------------------------------------------------------------------------------------


class Session:
    """The generators that one load makes; they are primed together, when all values are in place.

    Attributes
    ----------
    here
        The name that a module of the sender has in this process.
    """

    __slots__ = ("_made", "here")

    def __init__(self, here: Callable[[str], str] | None = None) -> None:
        self._made: dict[int, tuple[AnyGenerator, _Land]] = {}
        self.here = here

    def add(self, generator: AnyGenerator, land: _Land) -> None:
        self._made[id(generator)] = (generator, land)

    def land_of(self, generator: AnyGenerator) -> _Land | None:
        made = self._made.get(id(generator))
        return made[1] if made is not None else None

    def prime(self) -> None:
        """Run each generator up to its suspension."""
        waiting = {key: made for key, made in self._made.items() if made[1] and made[1].label != CREATED}
        if len(waiting) == 1:
            ((generator, land),) = waiting.values()
            _prime(generator, land)
            return
        claimed: set[int] = set()
        for generator, land in waiting.values():
            if not land.delegates:
                continue
            key = id(land[0])
            if key in waiting and key not in claimed and land[0] is not generator:
                claimed.add(key)
            else:
                land.relay()
        _check_depth(len(claimed))
        errors = [pair for _, land in waiting.values() for pair in _contexts(land)]
        try:
            for key, (generator, _) in waiting.items():
                if key not in claimed:
                    _step(generator)
        except BaseException:
            for generator, _ in waiting.values():
                leave(generator)  # they go on elsewhere, so nothing of them may run here
            raise
        _restore(errors)


def _check_depth(delegations: int) -> None:
    """Refuse a chain of delegations that would break off in the middle: its ``finally`` blocks would run."""
    if delegations < _SHALLOW:
        return
    frame: types.FrameType | None = sys._getframe()
    used = 0
    while frame is not None:
        used, frame = used + 1, frame.f_back
    if used + delegations + _SHALLOW > sys.getrecursionlimit():
        raise SnapshotInvalid(
            f"its generators delegate {delegations} deep, and the recursion limit of {sys.getrecursionlimit()} leaves "
            f"no room for that here"
        )


def leave(generator: AnyGenerator) -> None:
    """Let a generator go without running anything of it; what it delegates to first."""
    if not generator.gi_suspended:
        if not generator.gi_running:
            generator.close()  # not begun, or ended: nothing runs
        return
    delegate = generator.gi_yieldfrom
    if type(delegate) is types.GeneratorType and plan_of(delegate.gi_code) is not None:
        leave(delegate)
    if isinstance(delegate, Relay):
        delegate.leaving = True
    try:
        generator.throw(Moved())
    except (StopIteration, Moved):
        return
    raise RuntimeError(f"{generator.__qualname__} went on although it was discarded")


class _Sessions(threading.local):
    current: Session | None = None


sessions = _Sessions()


def locate(module: str, qualname: str, digest: bytes) -> Home:
    """As `find`, with the name that the module has in this process."""
    return find(module_here(module), qualname, digest)


def module_here(module: str) -> str:
    """The name that a module of the sender has in this process."""
    session = sessions.current
    return module if session is None or session.here is None else session.here(module)


def _prime(generator: AnyGenerator, land: _Land) -> None:
    if land.delegates:
        land.relay()
    errors = _contexts(land) if len(land.slots) > 1 else ()
    _step(generator)
    if errors:
        _restore(errors)


def _step(generator: AnyGenerator) -> None:
    try:
        next(generator)
    except Exception as error:
        raise SnapshotInvalid(f"{generator.__qualname__} could not be resumed ({error!r})") from error


def _contexts(land: _Land) -> list[tuple[BaseException, BaseException | None]]:
    """Landing in a handler raises its exception, which would change what it was raised in."""
    return [(value, value.__context__) for value in land[-1] if isinstance(value, BaseException)]


def _restore(errors: Iterable[tuple[BaseException, BaseException | None]]) -> None:
    for error, context in errors:
        error.__context__ = context


@dataclass(frozen=True, slots=True)
class Site:
    """Where generators land: the same for all that are suspended alike."""

    home: Home
    code: types.CodeType
    label: int
    slots: tuple[str, ...]
    takeover: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        home: Home,
        label: Label,
        names: tuple[str, ...],
        waiting: tuple[str, ...] = (),
        unsure: tuple[str, ...] = (),
    ) -> Site:
        plan = home.plan
        names = tuple(dict.fromkeys((*home.cells, *names)))
        number = split_label(label)[0]
        if number not in plan.slots:
            raise SnapshotInvalid(f"{plan.name} has no label {label!r}")
        code = plan.landing(label, names, waiting, unsure)
        return cls(home, code, number, plan.slots[number] + waiting, plan.takeover(names), code.co_freevars)

    def land(self, cells: dict[str, types.CellType]) -> tuple[AnyGenerator, _Land]:
        """Make a generator without its values."""
        own = self.home.cells
        closure = tuple([cells[name] if name in cells else own[name] for name in self.names]) if self.names else None
        function = types.FunctionType(self.code, self.home.globals, self.code.co_name, None, closure)
        holder = _Land()
        holder.slots = self.slots
        holder.takeover = self.takeover
        holder.delegates = False
        holder.label = self.label
        return function(holder), holder


_sites: Bounded[tuple[Any, ...], Site] = Bounded()


def thaw(subject: str | AnyGenerator, *details: Any) -> AnyGenerator | None:
    """Make a generator without its values, or give one its values: one name in a snapshot for both steps.

    ``thaw(module, qualname, digest, label, names of cells, cells, names of temporaries, of unsure cells, shown names)``
    and
    ``thaw(generator, values)``.
    """
    if type(subject) is str:
        return make(subject, *details)
    fill(subject, *details)  # type: ignore[arg-type]  # not a string
    return None


def sentinel() -> memoryview:
    """The sentinel of an iterator made by `steps_of`."""
    return NEVER


def make(
    module: str,
    qualname: str,
    digest: bytes,
    label: Label,
    names: tuple[str, ...] = (),
    cells: tuple[types.CellType, ...] = (),
    waiting: tuple[str, ...] = (),
    unsure: tuple[str, ...] = (),
    shown: tuple[str, ...] = (),
) -> AnyGenerator:
    """A generator without its values; `shown`: its name and qualified name, if it was given others."""
    module = module_here(module)
    key = (module, qualname, digest, label, names, waiting, unsure)
    site = _sites.get(key)
    if site is None or is_outdated(site.home, module):
        if label == CLOSED:
            return _named(_closed(find(module, qualname, digest)), shown)
        site = _sites[key] = Site.of(find(module, qualname, digest), label, names, waiting, unsure)
    generator, holder = site.land(dict(zip(names, cells, strict=True)) if names else {})
    session = sessions.current
    if session is not None:
        session.add(generator, holder)
    return _named(generator, shown)


def _named(generator: AnyGenerator, shown: tuple[str, ...]) -> AnyGenerator:
    if shown:
        generator.__name__, generator.__qualname__ = shown
    return generator


def _closed(home: Home) -> AnyGenerator:
    """One that has ended: nothing of it will run, so its variables are nobody's."""
    names = home.plan.code.co_freevars
    generator, _ = Site.of(home, CREATED, names, ()).land({name: types.CellType() for name in names})
    generator.close()
    return generator


def fill(generator: AnyGenerator, state: dict[str, Any]) -> None:
    """Give a generator its values; outside of a session (plain pickle) also prime it."""
    session = sessions.current
    holder = session.land_of(generator) if session is not None else None
    if holder is not None:
        holder.fill(state)
        return
    if generator.gi_frame is None or generator.gi_suspended:
        return  # filled a second time, because it lies on a cycle
    holder = generator.gi_frame.f_locals[".land"]
    holder.fill(state)
    if holder.label != CREATED:
        _prime(generator, holder)
