"""What modules, classes and functions hold beside what their text gives them.

At the destination the shipped modules are executed first, so that everything that one statement shares with another is
shared again: a table that is also a default value, a registry that decorators fill. Then what they hold now is put in:

- a variable or attribute is *assigned*, or
- the *content* of an object that a definition may hold as well (a dict, a list, an instance of the project's own class)
  is put into that very object, so that whoever refers to it sees it. In the pickle it is a reference to its place.

What belongs to this process, like a lock, is left as the text makes it.
"""

from __future__ import annotations

import collections
import enum
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mobility.code import Namespace
from mobility.code.origin import Origin, origin_of
from mobility.reducers.values import remedy

__all__ = ["ModuleState", "Spot", "put_in", "resolve", "shown_place", "state_of_modules", "state_of_namespace"]

#: Module and name; or with a way and a key behind them: ``("survey", "Reading", "attribute", "made")``.
Spot = tuple[Any, ...]

_ATOMS = frozenset({int, float, complex, bool, str, bytes, type(None)})
_CONTAINERS: tuple[type, ...] = (
    *(dict, list, set, bytearray, collections.deque),
    *(collections.OrderedDict, collections.defaultdict, collections.Counter),
)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, classmethod, staticmethod, property)
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType, types.ModuleType, type)
_PROJECT = (Origin.LOCAL, Origin.SHIPPED)
_MISSING = object()


@dataclass(slots=True)
class ModuleState:
    """What is put in after the modules were executed.

    Attributes
    ----------
    assigned
        Values by place.
    contents
        Contents, and the type of the object that gets them, by its place.
    """

    assigned: dict[Spot, Any] = field(default_factory=dict)
    contents: dict[Spot, tuple[type, Any]] = field(default_factory=dict)
    _objects: dict[int, tuple[Spot, Any]] = field(default_factory=dict)

    @property
    def known(self) -> dict[int, tuple[Spot, type]]:
        """By identity: the places of the objects that the text makes again, and their types."""
        return {key: (place, type(value)) for key, (place, value) in self._objects.items()}

    def assign(self, place: Spot, value: Any) -> None:
        """Carry a value."""
        self.assigned[place] = value

    def refill(self, place: Spot, value: Any) -> None:
        """Carry the content of an object that the text makes."""
        if id(value) not in self._objects:
            self._objects[id(value)] = (place, value)
            self.contents[place] = (type(value), _content(value))

    def add(self, place: Spot, value: Any) -> None:
        """Carry what an attribute, a default value or a captured variable holds; a lock stays as the text makes it."""
        if remedy(value) is None:
            self.assign(place, value)

    def values(self) -> Iterator[tuple[Spot, Any]]:
        """All that is carried."""
        yield from self.assigned.items()
        yield from self.contents.items()


# -- finding out ------------------------------------------------------------------------------------------------------


def state_of_modules(
    values: Iterable[tuple[str, str]], early: frozenset[tuple[str, str]], made: Iterable[tuple[str, str]]
) -> ModuleState:
    """The state of the project's modules in the process where they were written.

    Parameters
    ----------
    values
        Module and name of the variables that travel by value.
    early
        Those among them whose statement is executed as well.
    made
        What the text makes: classes, functions, and what decorators return.
    """
    state = ModuleState()
    for module, name in sorted(values):
        value = vars(sys.modules[module]).get(name, _MISSING)
        if value is _MISSING:
            continue
        if (module, name) in early and _can_refill(value):
            state.refill((module, name), value)
        else:
            state.assign((module, name), value)
    for module, name in sorted(made):
        value = vars(sys.modules[module]).get(name, _MISSING)
        if value is not _MISSING:
            _survey(state, (module, name), value)
    return state


def state_of_namespace(namespace: Namespace) -> ModuleState:
    """The state of shipped modules, by comparison with what executing them gave."""
    state = ModuleState()
    for module in namespace.modules:
        initial = namespace.initial.get(module)
        loaded = sys.modules.get(f"{namespace.name}.{module}")
        if initial is None or loaded is None:
            continue
        for name, value in list(vars(loaded).items()):
            if _is_special(name) and name not in ("__doc__", "__all__"):
                continue
            if initial.get(name, _MISSING) is not value:
                if not _is_submodule(value, f"{namespace.name}.{module}"):
                    state.assign((module, name), value)
            elif isinstance(value, type | types.FunctionType):
                if value.__module__ == loaded.__name__:
                    _survey(state, (module, name), value)
            elif _can_refill(value):
                state.refill((module, name), value)
    return state


def _is_submodule(value: Any, package: str) -> bool:
    return isinstance(value, types.ModuleType) and value.__name__.startswith(package + ".")


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _survey(state: ModuleState, place: Spot, value: Any) -> None:
    """What a class or a function holds; or an object of the project that a decorator returned."""
    if isinstance(value, type):
        if isinstance(value, enum.EnumMeta):
            return
        for name, part in list(vars(value).items()):
            if not _is_special(name) and name != "_abc_impl" and not _is_of_text(value, name, part):
                state.add((*place, "attribute", name), part)
    elif isinstance(value, types.FunctionType):
        if origin_of(str(value.__globals__.get("__name__"))) not in _PROJECT:
            return  # made by somebody else's decorator
        for name, part in value.__dict__.items():
            if name != "__wrapped__" and not isinstance(part, (*_FUNCTIONS, *_DESCRIPTORS)):
                state.add((*place, "attribute", name), part)
        for number, part in enumerate(value.__defaults__ or ()):
            if not isinstance(part, (*_FUNCTIONS, *_DESCRIPTORS)):
                state.add((*place, "default", number), part)
        for name, part in (value.__kwdefaults__ or {}).items():
            if not isinstance(part, (*_FUNCTIONS, *_DESCRIPTORS)):
                state.add((*place, "keyword", name), part)
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            content = _content_of_cell(cell)
            if name != "__class__" and not isinstance(content, _Nothing) and _holds_state(content):
                state.add((*place, "captured", name), content)
    elif _can_refill(value):
        state.refill(place, value)


def _is_of_text(owner: type, name: str, part: Any) -> bool:
    """Whether a member of a class is one that its text makes and that holds nothing."""
    if isinstance(part, types.FunctionType):
        return part.__module__ == owner.__module__ and part.__qualname__ == f"{owner.__qualname__}.{name}"
    if isinstance(part, classmethod | staticmethod | property):
        return True
    if isinstance(part, _DESCRIPTORS):
        return not isinstance(part, type) or part.__qualname__ == f"{owner.__qualname__}.{name}"
    if hasattr(type(part), "__get__") and origin_of(type(part).__module__) not in _PROJECT:
        return True  # cached_property, partialmethod, the fields of a named tuple
    return False


def _holds_state(value: Any) -> bool:
    """Whether what a decorator captured is more than the function that it decorates."""
    return not isinstance(value, (*_FUNCTIONS, *_DESCRIPTORS)) and (_can_refill(value) or not callable(value))


class _Nothing:
    pass


def _content_of_cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _Nothing()


# -- contents ---------------------------------------------------------------------------------------------------------


#: With one of these a class says itself how its objects travel.
_OF_ITS_OWN = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")


def _can_refill(value: Any) -> bool:
    """Whether its content can be put into another object of the kind."""
    kind = type(value)
    if kind in _CONTAINERS:
        return True
    if isinstance(value, type | types.FunctionType | enum.Enum | BaseException | types.ModuleType):
        return False
    if origin_of(kind.__module__) not in _PROJECT:
        return False
    if any(name in base.__dict__ for base in kind.__mro__[:-1] for name in _OF_ITS_OWN):
        return False
    return hasattr(value, "__dict__") or bool(_slots(kind))


def _slots(kind: type) -> list[str]:
    names: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                private = name.startswith("__") and not name.endswith("__")
                names.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return names


def _content(value: Any) -> Any:
    match value:
        case dict():
            return dict(value)
        case list() | collections.deque():
            return list(value)
        case set():
            return set(value)
        case bytearray():
            return bytes(value)
    slots = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    return dict(getattr(value, "__dict__", {})), slots


def _refill(value: Any, content: Any) -> None:
    match value:
        case dict() | set():
            value.clear()
            value.update(content)
        case list() | bytearray():
            value[:] = content
        case collections.deque():
            value.clear()
            value.extend(content)
        case _:
            attributes, slots = content
            if hasattr(value, "__dict__"):
                value.__dict__.clear()
                value.__dict__.update(attributes)
            for name in _slots(type(value)):
                if name in slots:
                    object.__setattr__(value, name, slots[name])
                elif hasattr(value, name):
                    object.__delattr__(value, name)


# -- putting in -------------------------------------------------------------------------------------------------------


def resolve(namespace: Namespace, place: Spot, kind: type) -> Any:
    """The object of a type that the text of shipped modules made at a place; or one that is put there."""
    module, name = place
    variables = vars(namespace.load(module))
    found = variables.get(name)
    if type(found) is not kind:  # the text makes something else; what was there came later
        new: Any = kind.__new__
        found = variables[name] = new(kind)
    return found


def _cell(function: types.FunctionType, name: str) -> types.CellType:
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))[name]


def shown_place(place: Spot) -> str:
    """A place, for the sentences of errors."""
    module, name, *way = place
    kinds = {"attribute": f".{way[-1] if way else ''}", "default": ", a default value", "keyword": ", a default value"}
    return f"the variable {module}.{name}" + (kinds.get(way[0], f", the captured {way[-1]}") if way else "")


def put_in(namespace: Namespace, assigned: Mapping[Spot, Any], contents: Mapping[Spot, tuple[type, Any]]) -> None:
    """Bring shipped modules that were executed into the state that their sender's had.

    Raises
    ------
    LookupError
        If there is no such place.
    """
    targets = [(resolve(namespace, place, kind), content) for place, (kind, content) in contents.items()]
    for (module, name, *way), value in assigned.items():
        variables = vars(namespace.load(module))
        match way:
            case []:
                variables[name] = value
            case ["attribute", key]:
                setattr(variables[name], key, value)
            case ["captured", key]:
                _cell(variables[name], key).cell_contents = value
            case ["default", number]:
                function = variables[name]
                values = list(function.__defaults__)
                values[number] = value
                function.__defaults__ = tuple(values)
            case ["keyword", key]:
                variables[name].__kwdefaults__[key] = value
            case _:
                raise LookupError((module, name, *way))
    for target, content in targets:
        _refill(target, content)
