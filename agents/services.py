"""The named services of a place: functions that are there and that others call (client-server).

They are given in Python, or described in the TOML file that lies at the place::

    [place.services.mean]
    function = "stations:mean"           # module:function, imported there when it is first called

Given in Python, it travels to its place as a bundle that the owner of the platform has signed, with its code. A service
is a plain function. What runs at a place gets that place first, and so does a service: it is called as
``mean(here, *args, **kwargs)``, and its arguments and what it returns are plain data.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from agents.errors import AgentsError, ResourceFileInvalid, ServiceUnusable
from agents.ids import is_plain_name
from mobility.bundle import Birth, Bundle, pack, unpack
from mobility.errors import MobilityError
from mobility.trust import Identity, PublicIdentity

__all__ = [
    "ServiceMaker",
    "check_service_name",
    "checked_services",
    "packed_services",
    "read_service_file",
    "shipped_services",
]

#: Seconds for which a service that was given when the platform was started is valid: as good as for ever.
_LASTING: Final = 20 * 365 * 24 * 60 * 60

#: Gives the function when it is first called; raises `ServiceUnusable` if it cannot be loaded.
ServiceMaker: TypeAlias = Callable[[], Callable[..., Any]]


def check_service_name(name: object) -> None:
    """Refuse what a service cannot be called.

    Raises
    ------
    ValueError
    """
    if not is_plain_name(name):
        raise ValueError(
            f"a service cannot be called {str(name)[:100]!r}: a name has at most 100 ASCII letters and digits, with "
            "_ . - within"
        )


def checked_services(given: Mapping[str, Mapping[str, Callable[..., Any]]]) -> dict[str, dict[str, ServiceMaker]]:
    """By place and name: makers of what was given as functions.

    Raises
    ------
    ServiceUnusable
        If one is no function, or has a name that none can have.
    """
    return {
        place: {name: _given(place, name, function) for name, function in offered.items()}
        for place, offered in given.items()
    }


def _given(place: str, name: str, function: Any) -> ServiceMaker:
    try:
        check_service_name(name)
    except ValueError as error:
        raise _not_started(place, name, f"cannot be offered: {error}", "Give it another name.") from None
    if not callable(function):
        problem = f"cannot be offered: a {type(function).__qualname__} cannot be called"
        raise _not_started(place, name, problem, "Give a function whose first parameter is the place.")
    return lambda: function


def _not_started(place: str, name: str, problem: str, remedy: str) -> AgentsError:
    return ServiceUnusable(place, name, problem, state="Nothing was started.", remedy=remedy)


def packed_services(given: Mapping[str, Mapping[str, Callable[..., Any]]], by: Identity) -> dict[str, dict[str, bytes]]:
    """By place and name: the function in a bundle, as it travels to its place.

    Raises
    ------
    ServiceUnusable
        For what cannot be sent; names place and service.
    """
    packed: dict[str, dict[str, bytes]] = {}
    for place, makers in checked_services(given).items():
        packed[place] = {}
        for name, make in makers.items():
            try:
                bundle = pack(make(), by=by, birth=Birth(lifetime=_LASTING), preview=False)
            except Exception as error:  # whatever the value's own pickling raises
                problem = f"cannot be sent there: {type(error).__name__}: {error}"
                remedy = "Describe it in a TOML file at the place, or let it load what cannot travel there."
                raise _not_started(place, name, problem, remedy) from error
            packed[place][name] = bundle.to_bytes()
    return packed


def shipped_services(
    packed: Mapping[str, Mapping[str, bytes]], place: str, owners: Sequence[PublicIdentity]
) -> dict[str, ServiceMaker]:
    """Makers of what a place got of `packed_services`: its own, and those for all places.

    Parameters
    ----------
    owners
        Who can have signed them.
    """
    offered = {**packed.get("*", {}), **packed.get(place, {})}
    return {name: _shipped(place, name, data, owners) for name, data in offered.items()}


def _shipped(place: str, name: str, data: bytes, owners: Sequence[PublicIdentity]) -> ServiceMaker:
    def make() -> Callable[..., Any]:
        from agents.place.trusting import MemberTrust  # places import this module

        try:
            found = unpack(Bundle.from_bytes(data).verify(MemberTrust(place, None, tuple(owners))))
        except MobilityError as error:
            raise ServiceUnusable(
                place,
                name,
                f"cannot be loaded there: {error}",
                state="Nothing was called.",
                remedy="Install there what it needs, or start the platform with another one.",
            ) from error
        return found  # type: ignore[no-any-return]  # it could be called where it was packed

    return make


def read_service_file(path: Path, place: str) -> dict[str, ServiceMaker]:
    """What a TOML file describes under ``[place.services]``, by name; nothing is imported before it is called.

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
    described = table.get("place", {})
    services = described.get("services", {}) if isinstance(described, dict) else None
    if not isinstance(services, dict):
        raise ResourceFileInvalid(path, "[place.services] is no table")
    return {name: _described(path, place, name, entry) for name, entry in services.items()}


def _described(path: Path, place: str, name: str, entry: Any) -> ServiceMaker:
    where = f"[place.services.{name}]"
    if not is_plain_name(name):
        raise ResourceFileInvalid(path, f"a service cannot be called {name[:100]!r}")
    if not isinstance(entry, dict) or set(entry) != {"function"} or not isinstance(entry["function"], str):
        raise ResourceFileInvalid(path, f'{where} has exactly one key: function = "module:function"')
    module, colon, qualname = entry["function"].partition(":")
    if not (module and colon and qualname):
        raise ResourceFileInvalid(path, f"function of {where} is not module:function")

    def make() -> Callable[..., Any]:
        problem: BaseException | None = None
        found: Any = None
        try:
            found = importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except Exception as error:  # whatever the module raises when it is imported
            problem = error
        if problem is not None or not callable(found):
            why = f"{type(problem).__name__}: {problem}" if problem is not None else "it cannot be called"
            raise ServiceUnusable(
                place,
                name,
                f"cannot be loaded there: its function {module}:{qualname}, named in {path}, is not there ({why})",
                state="Nothing was called.",
                remedy="Mend the file or the module at the place; it is tried again when the service is called again.",
            ) from problem
        return found  # type: ignore[no-any-return]  # callable, as was just seen

    return make
