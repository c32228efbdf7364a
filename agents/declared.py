"""What a place is declared to offer, over what its host tells: in Python, or in the TOML file of the place.

::

    [place.environment]
    memory = "8 GiB"                     # what a container allows, where the host cannot tell
    processor = "aarch64"
    accelerators = { cuda = 2 }          # or tables with kind, count and memory
    distributions = { torch = "2.4.0", scipy = false }    # false: not to be counted on here
    labels = { rack = "b3" }             # for agents to look at

A declaration is believed: it makes nothing available that is not there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from agents.errors import EnvironmentInvalid, ResourceFileInvalid
from mobility.environment import Accelerator, Environment, Needs
from mobility.environment.versions import normal_name

__all__ = ["DeclaredEnvironment", "bytes_of", "declared_of", "read_environment_file"]

_UNITS: Final[dict[str, int]] = {
    **dict.fromkeys(("", "b", "bytes"), 1),
    **{f"{letter}ib": 1 << 10 * power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}b": 10 ** (3 * power) for power, letter in enumerate("kmgt", 1)},
}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) *([a-z]*)")
_TEXTS: Final = ("python", "implementation", "processor", "operating_system")
_VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9A-Za-z.+]{1,24})?")


def bytes_of(size: Any) -> int:
    """A size in bytes, from a number of them or a text such as ``"8 GiB"`` or ``"500 MB"``.

    Raises
    ------
    ValueError
    """
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    found = _SIZE.fullmatch(size.strip().lower()) if isinstance(size, str) else None
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"a size is a number of bytes or a text such as '8 GiB', not {size!r:.80}")
    return int(float(found[1]) * _UNITS[found[2]]) if "." in found[1] else int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredEnvironment:
    """What is declared of a place; None: what the host tells counts.

    Attributes
    ----------
    python, implementation, processor, operating_system
        As in `mobility.environment.Environment`.
    memory, memory_available
        Bytes in all, and bytes that are free.
    accelerators
        All that there are.
    distributions
        Pairs of a name and a version, or None for one that is not to be counted on; others are looked up.
    labels
        Pairs of texts.
    """

    python: str | None = None
    implementation: str | None = None
    processor: str | None = None
    operating_system: str | None = None
    memory: int | None = None
    memory_available: int | None = None
    accelerators: tuple[Accelerator, ...] | None = None
    distributions: tuple[tuple[str, str | None], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, place: str, given: Mapping[str, Any] | DeclaredEnvironment | None) -> DeclaredEnvironment:
        """From data, as TOML or Python give it.

        Raises
        ------
        EnvironmentInvalid
            Names the place and the key.
        """
        if isinstance(given, DeclaredEnvironment):
            return given
        try:
            return cls(**_fields(given or {}))
        except ValueError as error:
            raise EnvironmentInvalid(place, str(error)) from None

    def over(self, other: DeclaredEnvironment) -> DeclaredEnvironment:
        """This one, and where it says nothing, the other."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        found = {name: getattr(other, name) if value is None else value for name, value in own.items()}
        for name in ("distributions", "labels"):
            found[name] = tuple({**dict(getattr(other, name)), **dict(getattr(self, name))}.items())
        return DeclaredEnvironment(**found)

    def applied(self, host: Environment, needs: Needs) -> Environment:
        """What the place offers of what is needed: the host, with what is declared in its stead."""
        told = {name: value for name in _TEXTS if (value := getattr(self, name)) is not None}
        if self.memory is not None:
            told |= {"memory_total": self.memory, "memory_available": self._free(host)}
        if self.memory_available is not None:
            told["memory_available"] = self.memory_available
        if self.accelerators is not None:
            told["accelerators"] = self.accelerators
        if self.distributions:
            known = host.offered([needed.name for needed in needs.distributions], modules=needs.modules)
            stated = {needed.name: self._stated(needed.name) for needed in needs.distributions}
            pairs = {**dict(known.distributions or ()), **{name: at for name, at in stated.items() if at is not _OPEN}}
            told["distributions"] = tuple((name, at) for name, at in sorted(pairs.items()) if isinstance(at, str))
            told["modules"] = known.modules
        return replace(host, **told) if told else host

    def _stated(self, name: str) -> Any:
        """The version that is declared, None for a distribution that is not to be counted on; else `_OPEN`."""
        wanted = normal_name(name)
        return next((version for known, version in self.distributions if normal_name(known) == wanted), _OPEN)

    def _free(self, host: Environment) -> int | None:
        """Of a memory that is declared, what is free: within what the host has free, unless more is declared than that
        has in all; then what is in use there is taken off."""
        total, free = host.memory_total, host.memory_available
        assert self.memory is not None
        if total is None or free is None:
            return self.memory
        return min(self.memory, free) if self.memory <= total else self.memory - (total - free)


_OPEN: Final = object()


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(DeclaredEnvironment)}
    if unknown := sorted(set(given) - known, key=str):
        raise ValueError(f"the key {unknown[0]!r} is not known; there are: {', '.join(sorted(known))}")
    found = dict(given)
    for name in _TEXTS:
        if not isinstance(found.get(name), str | None) or found.get(name) == "":
            raise ValueError(f"{name} is a text")
    if found.get("python") is not None and not _VERSION.fullmatch(found["python"]):
        raise ValueError(f"python is a version such as '3.12.1', not {found['python']!r:.80}")
    for name in ("memory", "memory_available"):
        if found.get(name) is not None:
            try:
                found[name] = bytes_of(found[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    if found.get("accelerators") is not None:
        found["accelerators"] = _accelerators(found["accelerators"])
    found["distributions"] = _distributions(found.get("distributions") or {})
    found["labels"] = _labels(found.get("labels") or {})
    return found


def _accelerators(given: Any) -> tuple[Accelerator, ...]:
    if isinstance(given, Mapping):
        given = [{"kind": kind, "count": count} for kind, count in given.items()]
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ValueError("accelerators are numbers by kind, or tables with kind, count and memory")
    return tuple(map(_accelerator, given))


def _accelerator(given: Any) -> Accelerator:
    if isinstance(given, Accelerator):
        return given
    if not isinstance(given, Mapping) or set(given) - {"kind", "count", "memory"} or "kind" not in given:
        raise ValueError("an accelerator has kind, count and memory, the latter two if they are known")
    kind, count, memory = given["kind"], given.get("count", 1), given.get("memory")
    if not isinstance(kind, str) or not kind or isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError("of an accelerator, kind is a text and count a number from 0 on")
    return Accelerator(kind, count, None if memory is None else bytes_of(memory))


def _distributions(given: Any) -> tuple[tuple[str, str | None], ...]:
    if isinstance(given, tuple):
        given = dict(given)
    if not isinstance(given, Mapping) or not all(isinstance(name, str) and name for name in given):
        raise ValueError("distributions are versions by name")
    for name, version in given.items():
        if version not in (None, False) and not (isinstance(version, str) and version):
            raise ValueError(f"of the distribution {name!r:.80}, give the version, or false if it is not to be used")
    return tuple((name, version or None) for name, version in sorted(given.items()))


def _labels(given: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(given, tuple):
        given = dict(given)
    if not isinstance(given, Mapping) or not all(isinstance(text, str) for pair in given.items() for text in pair):
        raise ValueError("labels are texts by name")
    return tuple(sorted(given.items()))


def declared_of(place: str, given: Mapping[str, Mapping[str, Any]]) -> DeclaredEnvironment:
    """What is declared of a place, by the names of places; under ``"*"`` of all.

    Raises
    ------
    EnvironmentInvalid
    """
    of_all = DeclaredEnvironment.of(place, given.get("*"))
    return DeclaredEnvironment.of(place, given.get(place)).over(of_all)


def read_environment_file(path: Path) -> DeclaredEnvironment:
    """What a place's TOML file declares in ``[place.environment]``; nothing if it has no such table.

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
    described = place.get("environment", {}) if isinstance(place, dict) else None
    if not isinstance(described, dict):
        raise ResourceFileInvalid(path, "[place.environment] is no table")
    try:
        return DeclaredEnvironment(**_fields(described))
    except ValueError as error:
        raise ResourceFileInvalid(path, f"[place.environment]: {error}") from None
