"""Published units: code that lies signed in the repository of a place, and is fetched where it is wanted.

Rules
-----
1. A publication is a bundle of a function or class, signed by its owner, or by a place for an agent whose owner has
   signed the code. Its name and version are in the luggage, so they are signed as well.
2. It is verified when it is published, and again by whoever uses it: a repository is not believed.
3. A unit has a digest, of its name and version, its code, its entry point and the values that travel with it: what is
   fetched under a digest is the same for ever, and so is what a repository gives under a name and version. The code
   alone would not tell apart two units that differ in a variable of their module or in a closure.
4. What was fetched is kept by digest, so nothing is fetched twice; several who want the same at the same time share one
   request. Each use is loaded under a name of its own (`mobility.code`), so two versions run side by side.
5. A unit that an agent keeps travels as name, version, digest and place, never as code; where it arrives, it is fetched
   when it is first used.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final

from agents.errors import NotPublishable
from agents.here import Here, arriving_at
from agents.ids import is_plain_name
from agents.terms import TERMS
from mobility.bundle import Birth, Branch, Bundle, VerifiedBundle, pack, unpack
from mobility.bundle.collecting import Collected
from mobility.bundle.manifest import SegmentKind, UnitKind
from mobility.bundle.unpacking import Makings, made_of, makings_of
from mobility.environment.versions import Version, parse_version
from mobility.plain import PlainInvalid, decode, encode
from mobility.trust import DEFAULT_LIMITS, Identity, Limits, TrustSource, VerifiedPassport
from mobility.trust.errors import UntrustedSigner

__all__ = [
    "FetchedUnit",
    "PublishedUnit",
    "UnitMakings",
    "VerifiedUnit",
    "check_publishable",
    "parsed_version",
    "publication",
    "verified_unit",
]

_KIND: Final = "sojourn.published-unit"
_DAY: Final = 24 * 60 * 60
#: Seconds for a unit that is fetched while an agent runs.
_USE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class PublishedUnit:
    """What `publish` gives.

    Attributes
    ----------
    digest
        In hexadecimal.
    place
        In whose repository it is.
    """

    name: str
    version: str
    digest: str
    place: str


TERMS.add(PublishedUnit, "sojourn.published")


# -- publishing -------------------------------------------------------------------------------------------------------


def parsed_version(version: object) -> Version:
    """A version in the sense of PEP 440.

    Raises
    ------
    NotPublishable
    """
    found = parse_version(version) if isinstance(version, str) and len(version) <= 64 else None
    if found is None:
        problem = f"{str(version)[:100]!r} is no version"
        raise NotPublishable(problem, remedy='Write it as a text such as "1.0", "1.2.3" or "2.0rc1" (PEP 440).')
    return found


def check_publishable(unit: object) -> None:
    """That it is a function or class.

    Raises
    ------
    NotPublishable
    """
    if not isinstance(unit, FunctionType | type):
        problem = f"a {type(unit).__qualname__} cannot be published"
        raise NotPublishable(problem, remedy="Publish a function or a class.")


def publication(
    unit: Any,
    name: str,
    version: str,
    *,
    by: Identity,
    lifetime: int = 365 * _DAY,
    passport: VerifiedPassport | None = None,
    child: str | None = None,
) -> Bundle:
    """The signed bundle of a unit that is to be published.

    Parameters
    ----------
    unit
        A function or class; or its parts, as `mobility.bundle.pack` takes them.
    by
        The owner; with a passport, the place that signs for an agent.
    lifetime
        Seconds for which it can be used.
    passport, child
        Of the agent whose code it is, and the id of the unit as its branch.

    Raises
    ------
    NotPublishable
    mobility.errors.MobilityError
        If its code or its values cannot travel.
    """
    if not (isinstance(unit, Collected) and unit.kind is UnitKind.FUNCTION):
        check_publishable(unit)
    if not is_plain_name(name):
        raise NotPublishable(
            f"a unit cannot be called {str(name)[:100]!r}",
            remedy="A name has at most 100 ASCII letters and digits, with _ . - within.",
        )
    parsed_version(version)
    told = encode({"is": _KIND, "name": name, "version": version})
    if passport is not None and child is not None:
        branch = Branch(child=child)
        return pack(unit, by=by, passport=passport, origin=by.name, to=None, luggage=told, branch=branch, preview=False)
    return pack(unit, by=by, birth=Birth(lifetime=lifetime, hop_limit=256), luggage=told)


# -- verifying --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedUnit:
    """A publication whose signatures were checked.

    Attributes
    ----------
    data
        The bundle.
    """

    name: str
    version: str
    digest: str
    verified: VerifiedBundle = field(repr=False)
    data: bytes = field(repr=False)

    def load(self) -> Any:
        """The function or class, in modules of its own.

        Raises
        ------
        mobility.errors.MobilityError
            If it cannot be loaded here, for one because of the environment.
        """
        return _bare(unpack(self.verified))

    def makings(self) -> UnitMakings:
        """What another process needs to load it.

        Raises
        ------
        mobility.errors.MobilityError
            If it cannot be loaded on this host, because of the environment.
        """
        verified = self.verified
        entries = [entry for entry in verified.manifest.segments if entry.kind is SegmentKind.BUFFER]
        buffers = tuple((e.writable, bytes(view)) for e, view in zip(entries, verified.buffers, strict=True))
        return UnitMakings(makings_of(verified), bytes(verified.state), buffers)


@dataclass(frozen=True, slots=True)
class UnitMakings:
    """A unit that was verified, for a process that does not verify.

    Attributes
    ----------
    buffers
        Whether each may be written to, and its bytes.
    """

    makings: Makings
    state: bytes = field(repr=False)
    buffers: tuple[tuple[bool, bytes], ...] = field(repr=False)

    def load(self) -> Any:
        """See `VerifiedUnit.load`."""
        views = [memoryview(bytearray(data) if writable else data) for writable, data in self.buffers]
        return _bare(made_of(self.makings, memoryview(self.state), views))


def _bare(made: Any) -> Any:
    """The function or class itself, which travels with its arguments; a publication has none."""
    return made.func if isinstance(made, functools.partial) else made


def verified_unit(
    data: bytes, trust: TrustSource, *, meet: Callable[[], bool] = lambda: False, limits: Limits = DEFAULT_LIMITS
) -> VerifiedUnit:
    """Check a publication; nothing of it is decoded but its name and version.

    Parameters
    ----------
    meet
        Asks who else is to be trusted; whether that brought any news.

    Raises
    ------
    NotPublishable
        If it is a bundle of something else.
    mobility.errors.MobilityError
        If it is altered, expired, or not signed by somebody who is trusted.
    """
    bundle = Bundle.from_bytes(data, limits)
    try:
        verified = bundle.verify(trust, limits=limits)
    except UntrustedSigner:
        if not meet():
            raise
        verified = bundle.verify(trust, limits=limits)
    try:
        told = decode(bytes(verified.luggage or b""))
        fits = told["is"] == _KIND and is_plain_name(told["name"])
        name, version = told["name"], told["version"]
    except (PlainInvalid, KeyError, TypeError):
        fits, name, version = False, "", ""
    if not fits or verified.manifest.unit is not UnitKind.FUNCTION:
        remedy = "Publish it with platform.publish(function, name), or publish() within an agent."
        raise NotPublishable("the bundle is not that of a published unit", remedy=remedy)
    parsed_version(version)
    return VerifiedUnit(name, version, _digest(name, version, verified), verified, data)


def _digest(name: str, version: str, verified: VerifiedBundle) -> str:
    told = parsed_version(version)  # however it is written
    parts = [name.encode(), repr((told.epoch, told.release, told.rest, told.local)).encode()]
    parts += [verified.manifest.code[0], verified.manifest.entry_point.encode()]
    parts += [hashlib.sha256(view).digest() for view in (verified.state, *verified.buffers)]
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


# -- using -------------------------------------------------------------------------------------------------------------


class FetchedUnit:
    """Code that was fetched from a repository: called as the function or class that it is.

    It travels by its name, and is fetched again, or found among what was fetched before, where it is used next. The
    place of its repository need not be there once it was used.

    Attributes
    ----------
    name, version, digest
        Which unit.
    place
        In whose repository it is.
    """

    __slots__ = ("__weakref__", "_here", "_unit", "digest", "name", "place", "version")

    def __init__(
        self, name: str, version: str, digest: str, place: str, here: Here | None = None, unit: Any = None
    ) -> None:
        self.name = name
        self.version = version
        self.digest = digest
        self.place = place
        self._here = here if here is not None else arriving_at()
        self._unit = unit

    @property
    def unit(self) -> Any:
        """The function or class itself, loaded when it is first asked for. It does not travel with an agent.

        Raises
        ------
        PlaceUnreachable, UnknownUnit, mobility.errors.MobilityError
            If it is not here, and cannot be fetched or loaded.
        """
        if self._unit is None:
            self._unit = self._loaded()
        return self._unit

    def _loaded(self) -> Any:
        if self._here is not None:
            return self._here.load_unit(self.name, self.version, self.digest, self.place)
        from agents.connection import current_client

        unit, _ = current_client().units.get(self.place, self.name, self.version, self.digest, timeout=_USE_SECONDS)
        return unit.load()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.unit(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, FetchedUnit) else NotImplemented

    def __hash__(self) -> int:
        return hash((FetchedUnit, self.digest))

    def __repr__(self) -> str:
        return f"<FetchedUnit {self.name} {self.version} of {self.place}, {self.digest[:16]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return FetchedUnit, (self.name, self.version, self.digest, self.place)
