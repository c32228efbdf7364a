"""What a place offers beside agents: other packages bring it, and nothing here knows them.

A package names an extension in the entry point group ``sojourn.extensions``. A place opens it at its start if its TOML
file has a table of that name, ``[place.NAME]``, or if Python gave something under it. What is found is an `Extension`:
it checks what it is given, also before anything is started, and makes of it services that others call.

Rules
-----
1. No extension is looked for, let alone imported, unless a file or a program asks for one.
2. A table that nobody knows is an error: mistyped, it would be a policy that does not hold.
3. One that cannot be opened keeps its place from nothing else. Whoever calls what is not there is told why.
"""

from __future__ import annotations

import sys
import tomllib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from agents.errors import AgentsError, ExtensionUnusable, ResourceFileInvalid
from mobility.errors import MobilityError
from mobility.trust import Identity, TrustSource

if TYPE_CHECKING:
    from agents.services import ServiceMaker

__all__ = ["Extension", "Extensions", "OpenExtension", "Premises", "check_extension_tables", "check_extensions"]

_GROUP: Final = "sojourn.extensions"
#: Tables that a place reads itself.
_OWN: Final = frozenset({"resources", "services", "environment"})


@dataclass(frozen=True, slots=True)
class Premises:
    """What an extension finds at its place.

    Attributes
    ----------
    place
        The place's name.
    identity
        With which the place signs.
    trust
        Whose keys count there, as they are at each moment.
    folder
        Of the extension's own, and lasting as long as the place's.
    given
        What Python gave: for all places, then for this one.
    tables
        What the place's files have in the table of the extension's name, with the file; a later one counts more.
    """

    place: str
    identity: Identity = field(repr=False)
    trust: TrustSource = field(repr=False)
    folder: Path
    given: tuple[Any, ...] = ()
    tables: tuple[tuple[Mapping[str, Any], Path], ...] = ()


class OpenExtension(Protocol):
    """An extension at work."""

    @property
    def services(self) -> Mapping[str, Callable[..., Any]]:
        """By name: functions that others call, as ``function(here, *args, **kwargs)``."""
        ...

    def close(self) -> None:
        """End it; called once, also when its place is only given up."""
        ...


class Extension(Protocol):
    """What an entry point of the group ``sojourn.extensions`` names."""

    def __call__(self, premises: Premises) -> OpenExtension:
        """Open it at a place; whatever it raises is told to those who call what is not there."""
        ...

    def check(self, value: Any, file: Path | None) -> None:
        """Refuse what cannot be used: the table of a file, or what Python gave (`file` is None then).

        Raises
        ------
        mobility.errors.MobilityError
        """
        ...


def _named(place: str, name: str) -> Extension:
    """The extension of that name.

    Raises
    ------
    ExtensionUnusable
    """
    found = {entry.value: entry for entry in entry_points(group=_GROUP, name=name)}
    if not found:
        known = ", ".join(sorted({entry.name for entry in entry_points(group=_GROUP)})) or "none"
        raise ExtensionUnusable(place, name, f"is not known here; there are: {known}")
    if len(found) > 1:
        raise ExtensionUnusable(place, name, f"is offered by several packages: {', '.join(sorted(found))}")
    try:
        extension: Extension = next(iter(found.values())).load()
    except Exception as error:  # whatever its module raises when it is imported
        raise ExtensionUnusable(place, name, f"cannot be loaded: {type(error).__name__}: {error}") from error
    return extension


def _place_tables(path: Path) -> dict[str, Mapping[str, Any]]:
    """The tables below ``[place]`` that are for extensions.

    Raises
    ------
    ResourceFileInvalid
    """
    try:
        with open(path, "rb") as file:
            place = tomllib.load(file).get("place", {})
    except OSError as error:
        raise ResourceFileInvalid(path, error.strerror or str(error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ResourceFileInvalid(path, str(error)) from None
    if not isinstance(place, dict):
        raise ResourceFileInvalid(path, "[place] is no table")
    tables = {name: table for name, table in place.items() if name not in _OWN}
    known = {entry.name for entry in entry_points(group=_GROUP)} if tables else set()
    for name, table in tables.items():
        if name not in known:
            listed = ", ".join(sorted(_OWN | known))
            raise ResourceFileInvalid(path, f"[place] has {name!r}, which nothing here knows; there are: {listed}")
        if not isinstance(table, dict):
            raise ResourceFileInvalid(path, f"[place.{name}] is no table")
    return tables


def check_extension_tables(path: Path) -> None:
    """Look at what a place's TOML file says to extensions, and that all its tables are known.

    Raises
    ------
    ResourceFileInvalid, ExtensionUnusable
    mobility.errors.MobilityError
        What an extension says of its table.
    """
    for name, table in _place_tables(path).items():
        _named("this machine", name).check(table, path)


def check_extensions(given: Mapping[str, Mapping[str, Any]]) -> None:
    """Look at what Python gives to extensions, by place and name.

    Raises
    ------
    ExtensionUnusable
    mobility.errors.MobilityError
        What an extension says of what it is given.
    """
    for place, named in given.items():
        for name, value in named.items():
            _named(place, name).check(value, None)


class Extensions:
    """Those of one place.

    Parameters
    ----------
    folder
        In which each gets a folder of its own.
    files
        The TOML files of the place; what a later one says of the same thing counts.
    given
        What Python gave, by name: functions that give it, as it may be a pickle that cannot be read there.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[Path] = (),
        given: Mapping[str, Sequence[Callable[[], Any]]] | None = None,
    ) -> None:
        self._folder = folder
        self._files = tuple(files)
        self._given = dict(given or {})
        self._open: list[OpenExtension] = []
        self.services: dict[str, ServiceMaker] = {}
        self.problem: AgentsError | None = None

    def open(self, place: str, identity: Identity, trust: TrustSource) -> None:
        """Open those that are asked for; what cannot be is told by `problem`."""
        tables: dict[str, list[tuple[Mapping[str, Any], Path]]] = {}
        for file in self._files:
            try:
                for name, table in _place_tables(file).items():
                    tables.setdefault(name, []).append((table, file))
            except ResourceFileInvalid as error:
                self._failed(place, error)
        for name in sorted({*tables, *self._given}):
            try:
                extension = _named(place, name)
                own = self._folder / name
                own.mkdir(parents=True, exist_ok=True)
                given = tuple(make() for make in self._given.get(name, ()))
                opened = extension(Premises(place, identity, trust, own, given, tuple(tables.get(name, ()))))
                self._open.append(opened)
                self.services |= {service: _always(function) for service, function in opened.services.items()}
            except ExtensionUnusable as error:
                self._failed(place, error)
            except (Exception, SystemExit) as error:  # of another package, or of a module that it imports
                told = str(error) if isinstance(error, MobilityError) else f"{type(error).__name__}: {error}"
                unusable = ExtensionUnusable(place, name, f"could not be opened: {told}")
                unusable.__cause__ = error
                self._failed(place, unusable)

    def _failed(self, place: str, error: AgentsError) -> None:
        trace = "".join(traceback.format_exception(error)).rstrip()
        print(f"sojourn: place {place}: {trace}", file=sys.stderr, flush=True)
        self.problem = self.problem or error

    def close(self) -> list[BaseException]:
        """Close all, whatever one of them raises; what they raised."""
        raised: list[BaseException] = []
        while self._open:
            try:
                self._open.pop().close()
            except Exception as error:
                raised.append(error)
        return raised


def _always(function: Callable[..., Any]) -> ServiceMaker:
    return lambda: function
