"""The named resources of a place: given in Python, or described in a TOML file that lies at the place.

::

    [place.resources.readings]
    factory = "stations:readings"        # module:function, called once, when first asked for
    arguments = { station = "oslo" }

    [place.resources.table]
    csv = "data/table.csv"               # a list of rows, each a dict; numbers become numbers

    [place.resources.limits]
    value = { most = 10, least = 1 }     # as it stands

    [place.resources.matrix]
    npy = "data/matrix.npy"              # an array, mapped read-only

Paths are relative to the file. Each may be declared further: how it is tied to its place (``attachment``), of which
type it is (``type``), whether its content may leave (``may_leave``), and which of its methods may be called from other
places (``exports``). One of which nothing is declared is fixed, has no type, does not leave and exports nothing: what
an agent reads from it while it is there, it carries, and that is all.
"""

from __future__ import annotations

import csv
import importlib
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import AgentsError, ResourceFileInvalid, ResourceMissing, ResourceUnusable
from mobility.bindings import Attachment

__all__ = ["Made", "Resource", "ResourceTerms", "Resources", "read_resource_file"]


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that is made at the place, by calling a function without arguments when it is first asked for."""

    function: Callable[[], Any]


#: What does what ``resource[...]``, ``len(resource)`` and the like mean.
_OPERATORS = frozenset({"__contains__", "__delitem__", "__getitem__", "__len__", "__setitem__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTerms:
    """What is declared of a resource.

    Attributes
    ----------
    attachment
        How it is tied to its place.
    type
        Of which type it is, for bindings by type; None: of none.
    may_leave
        Whether its content may leave the place: moved, copied, or read as a whole from elsewhere.
    exports
        Which of its methods may be called from elsewhere; None: if it may leave, all public ones and ``[]``, ``len()``
        and ``in``, else none.
    """

    attachment: Attachment = Attachment.FIXED
    type: str | None = None
    may_leave: bool = True
    exports: tuple[str, ...] | None = None

    def exported(self, method: str) -> bool:
        """Whether a method may be called from another place."""
        if method.startswith("_") and method not in _OPERATORS:
            return False
        return self.may_leave if self.exports is None else method in self.exports


#: Of a resource of which nothing is declared.
_UNDECLARED = ResourceTerms(may_leave=False)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource with what is declared of it; see `ResourceTerms`.

    Attributes
    ----------
    value
        The resource itself, or a `Made`.

    Raises
    ------
    ValueError, TypeError
        If what is declared is none of what there is.

    >>> Resource([21.4, 20.9], attachment="unattached", type="readings").terms.attachment
    <Attachment.UNATTACHED: 'unattached'>
    """

    value: Any
    attachment: Attachment | str = Attachment.FIXED
    type: str | None = None
    may_leave: bool = True
    exports: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.terms  # noqa: B018  # it is checked where it is written

    @property
    def terms(self) -> ResourceTerms:
        """What is declared."""
        return _terms(self.attachment, self.type, self.may_leave, self.exports)


@dataclass(frozen=True, slots=True)
class _Described:
    """What makes a resource of a file, and what the file declares of it."""

    make: Callable[[], Any]
    terms: ResourceTerms

    def __call__(self) -> Any:
        return self.make()


def _terms(attachment: Any, type_: Any, may_leave: Any, exports: Any) -> ResourceTerms:
    if attachment not in list(Attachment):
        raise ValueError(f"attachment is {', '.join(Attachment)}, not {attachment!r}")
    if type_ is not None and (not isinstance(type_, str) or not type_):
        raise TypeError(f"type is a text, not {type_!r}")
    if not isinstance(may_leave, bool):
        raise TypeError(f"may_leave is true or false, not {may_leave!r}")
    if isinstance(exports, str) or not all(isinstance(name, str) and name for name in exports or ()):
        raise TypeError(f"exports is a list of names, not {exports!r}")
    for name in exports or ():
        if name.startswith("_") and name not in _OPERATORS:
            raise ValueError(f"exports names {name!r}, which is not public")
    return ResourceTerms(
        attachment=Attachment(attachment),
        type=type_,
        may_leave=may_leave,
        exports=None if exports is None else tuple(exports),
    )


class Resources:
    """What a place offers.

    Parameters
    ----------
    place
        The place's name, for errors.
    given
        By name: the resource itself, a `Made`, or either within a `Resource`.
    made
        By name: a function without arguments that makes it, called once, when it is first asked for.
    problem
        Why some of what the place should offer is not known; raised to whoever asks for what there is not.
    """

    def __init__(
        self,
        place: str,
        given: Mapping[str, Any] | None = None,
        made: Mapping[str, Callable[[], Any]] | None = None,
        *,
        problem: AgentsError | None = None,
    ) -> None:
        self.place = place
        self.problem = problem
        self._given: dict[str, Any] = {}
        self._made = dict(made or {})
        self._terms = {name: make.terms for name, make in self._made.items() if isinstance(make, _Described)}
        for name, value in (given or {}).items():
            self._put(name, value)
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    @property
    def names(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(sorted({*self._given, *self._made}))

    def offer(self, name: str, value: Any) -> None:
        """Add a resource, or replace it."""
        with self._lock:
            self._put(name, value)

    def _put(self, name: str, value: Any) -> None:
        self._terms.pop(name, None)
        if isinstance(value, Resource):
            self._terms[name] = value.terms
            value = value.value
        if isinstance(value, Made):
            self._given.pop(name, None)
            self._made[name] = value.function
        else:
            self._given[name] = value

    def has(self, name: str) -> bool:
        """Whether it is offered."""
        with self._lock:
            return name in self._given or name in self._made

    def terms(self, name: str) -> ResourceTerms:
        """What is declared of a resource."""
        with self._lock:
            return self._terms.get(name, _UNDECLARED)

    def withdraw(self, name: str) -> None:
        """Offer it no more.

        Raises
        ------
        ResourceMissing
        """
        with self._lock:
            found = self._given.pop(name, self) is not self
            if not (self._made.pop(name, None) is not None or found):
                raise ResourceMissing(self.place, name, sorted({*self._given, *self._made}))

    def get(self, name: str) -> Any:
        """The resource of that name.

        Raises
        ------
        ResourceMissing
        """
        with self._lock:
            if name in self._given:
                return self._given[name]
            if name not in self._made:
                if self.problem is not None:
                    raise self.problem
                raise ResourceMissing(self.place, name, sorted({*self._given, *self._made}))
            making = self._making.setdefault(name, threading.Lock())
        with making:  # one maker at a time, and others of the place are not kept waiting
            with self._lock:
                if name in self._given:
                    return self._given[name]
                make = self._made.get(name)
            if make is None:
                raise ResourceMissing(self.place, name, self.names)
            try:
                value = make()
            except Exception as error:
                raise ResourceUnusable(
                    self.place,
                    name,
                    f"cannot be made there: {type(error).__name__}: {error}",
                    state="The agent goes on at that line if it handles this.",
                    remedy="Mend its factory or its file at the place; it is tried again when it is asked for again.",
                ) from error
            with self._lock:
                return self._given.setdefault(name, value)


def read_resource_file(path: Path) -> dict[str, Callable[[], Any]]:
    """What a TOML file describes, by name; nothing is read or called before it is asked for.

    Raises
    ------
    ResourceFileInvalid
    """
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ResourceFileInvalid(path, error.strerror or str(error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ResourceFileInvalid(path, str(error)) from None
    place = table.get("place", {})
    described = place.get("resources", {}) if isinstance(place, dict) else None
    if not isinstance(described, dict):
        raise ResourceFileInvalid(path, "[place.resources] is no table")
    return {name: _maker(path, name, entry) for name, entry in described.items()}


def _maker(path: Path, name: str, entry: Any) -> Callable[[], Any]:
    kinds = {"factory": _factory, "csv": _csv, "npy": _npy, "value": _value}
    if not isinstance(entry, dict):
        raise ResourceFileInvalid(path, f"[place.resources.{name}] is no table")
    known = [kind for kind in kinds if kind in entry]
    if len(known) != 1:
        raise ResourceFileInvalid(path, f"[place.resources.{name}] needs exactly one of {', '.join(kinds)}")
    extra = set(entry) - {known[0], *_DECLARED, *(("arguments",) if known[0] == "factory" else ())}
    if extra:
        raise ResourceFileInvalid(path, f"[place.resources.{name}] has the unknown key {sorted(extra)[0]!r}")
    make = kinds[known[0]](path, name, entry)
    if not any(key in entry for key in _DECLARED):
        return make
    try:
        terms = _terms(
            entry.get("attachment", Attachment.FIXED),
            entry.get("type"),
            entry.get("may_leave", True),
            entry.get("exports"),
        )
    except (TypeError, ValueError) as error:
        raise ResourceFileInvalid(path, f"[place.resources.{name}]: {error}") from None
    return _Described(make, terms)


_DECLARED = ("attachment", "type", "may_leave", "exports")


def _value(path: Path, name: str, entry: Mapping[str, Any]) -> Callable[[], Any]:
    return lambda: entry["value"]


def _text(path: Path, name: str, entry: Mapping[str, Any], key: str) -> str:
    text = entry[key]
    if not isinstance(text, str):
        raise ResourceFileInvalid(path, f"{key} of [place.resources.{name}] is no text")
    return text


def _factory(path: Path, name: str, entry: Mapping[str, Any]) -> Callable[[], Any]:
    module, colon, qualname = _text(path, name, entry, "factory").partition(":")
    arguments = entry.get("arguments", {})
    if not (module and colon and qualname) or not isinstance(arguments, dict):
        raise ResourceFileInvalid(path, f"factory of [place.resources.{name}] is not module:function with arguments")

    def make() -> Any:
        try:
            found: Any = importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise LookupError(f"its factory {module}:{qualname}, named in {path}, is not there ({error})") from error
        return found(**arguments)

    return make


def _csv(path: Path, name: str, entry: Mapping[str, Any]) -> Callable[[], Any]:
    file = path.parent / _text(path, name, entry, "csv")

    def make() -> Any:
        with open(file, newline="", encoding="utf-8") as rows:
            return [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(rows)]

    return make


def _number(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return text


def _npy(path: Path, name: str, entry: Mapping[str, Any]) -> Callable[[], Any]:
    file = path.parent / _text(path, name, entry, "npy")

    def make() -> Any:
        import numpy

        return numpy.load(file, mmap_mode="r", allow_pickle=False)

    return make
