"""`unpack`: from a verified bundle to the unit, if this host can take it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mobility.bundle.manifest import Manifest, UnitKind
from mobility.bundle.verified import VerifiedBundle
from mobility.code import CodeSegment, open_namespace
from mobility.data import decode_unit
from mobility.environment import (
    Environment,
    EnvironmentRefused,
    Mobility,
    Needs,
    ReasonCode,
    Verdict,
    oldest_python,
    verdict,
)
from mobility.trust.limits import DEFAULT_LIMITS, Limits

__all__ = ["Makings", "is_let_in", "made_of", "makings_of", "oldest_python_of", "unpack", "verdict_on"]


def unpack(
    verified: VerifiedBundle,
    *,
    weak: bool = False,
    environment: Environment | None = None,
    decided: Verdict | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Any:
    """Make the unit of a verified bundle: load its code under its digest, and decode its state.

    Both run what the signers wrote, as importing a module does: unpack only what you would run.

    Parameters
    ----------
    weak
        Take the code and the variables of its modules, and leave the unit itself undecoded: what is returned is its
        function or class, to be started anew where the environment allows no more than that.
    environment
        What this host offers; found out unless given.
    decided
        The verdict, if it was taken already: then it counts, and the environment is not asked.

    Returns
    -------
    generator, functools.partial or object
        Suspended where it was; a function with its arguments, not called yet; the object.

    Raises
    ------
    EnvironmentRefused
        If the unit cannot go on here, with the reasons; nothing was loaded.
    BundleSpent
        If it was unpacked before and its memory is in use.
    CodeInvalid, LoadFailed, CodeNotFound, StateInvalid, FunctionNotFound, SourceMismatch, SnapshotInvalid
        If loading or decoding fails; nothing was resumed.
    """
    make = makings_of(verified, weak=weak, environment=environment, decided=decided)
    return made_of(make, verified.state, verified.writable_buffers(), limits=limits)


@dataclass(frozen=True, slots=True)
class Makings:
    """What is needed to make a unit beside its state and its buffers; plain, so that another process can do it.

    Attributes
    ----------
    entry
        Of a unit that is to start anew: its function or class, as ``module:qualname``; its state stays undecoded.
    outside
        The modules of installed distributions that it needs.
    """

    code: bytes
    digest: bytes
    entry: str | None
    outside: tuple[str, ...]


def makings_of(
    verified: VerifiedBundle,
    *,
    weak: bool = False,
    environment: Environment | None = None,
    decided: Verdict | None = None,
) -> Makings:
    """The first half of `unpack`: see whether this host can take the unit. Parameters and errors are as there."""
    if not isinstance(verified, VerifiedBundle):
        raise TypeError(
            f"only a verified bundle can be unpacked, not a {type(verified).__qualname__}: call its verify(trust) first"
        )
    manifest = verified.manifest
    if decided is None:
        decided = verdict_on(verified, environment)
    if decided.kind is Mobility.REFUSE or not (weak or is_let_in(decided, state=_has_state(manifest))):
        raise EnvironmentRefused(decided)
    (code,) = verified.code
    outside = {module for needed in manifest.needs.distributions for module in needed.modules}
    return Makings(code, manifest.code[0], manifest.entry_point if weak else None, tuple(sorted(outside)))


def made_of(make: Makings, state: Any, buffers: Iterable[Any], *, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The second half: load the code and decode the state, which must have been verified."""
    namespace = open_namespace(make.code, make.digest, limits)
    namespace.outside |= set(make.outside)
    unit = decode_unit(state, buffers, namespace, unit=make.entry is None)
    if make.entry is not None:
        unit = namespace.entry(make.entry)
    namespace.serve(unit)
    return unit


def verdict_on(
    verified: VerifiedBundle,
    environment: Environment | None = None,
    *,
    needs: Needs | None = None,
    state: bool | None = None,
) -> Verdict:
    """What this host can do for the unit of a bundle: strong, weak or refuse, with the reasons.

    Parameters
    ----------
    environment
        What this host offers; found out unless given.
    needs, state
        Judged instead of those of the bundle, for one that is to start anew.
    """
    manifest = verified.manifest
    needs = manifest.needs if needs is None else needs
    state = _has_state(manifest) if state is None else state
    if environment is None:
        changing = needs.memory is not None or needs.accelerators
        environment = Environment.here() if changing else _lasting_environment()
    syntax = None
    if _minor(manifest.python) > _minor(environment.python):
        # Only then can the code be of a newer kind than what runs here.
        syntax = oldest_python_of(verified.code)
    return verdict(needs, environment, state=state, syntax=syntax)


def oldest_python_of(segments: Iterable[bytes]) -> str:
    """The oldest minor version of Python that compiles these code segments; see `mobility.environment.oldest_python`.

    Raises
    ------
    CodeInvalid
    """
    read = [CodeSegment.from_bytes(code) for code in segments]
    return oldest_python(module.source for segment in read for module in segment.modules)


def is_let_in(decided: Verdict, *, state: bool) -> bool:
    """Whether a unit can be decoded as it stands where this was decided.

    Parameters
    ----------
    state
        Whether it has a state to take over; a function's arguments can be decoded unless bytecode is among them.
    """
    if state:
        return decided.kind is Mobility.STRONG
    bound = any(reason.code is ReasonCode.PYTHON_MINOR for reason in decided.reasons)
    return decided.kind is not Mobility.REFUSE and not bound


@functools.cache
def _lasting_environment() -> Environment:
    """What does not change while a process runs; packages are looked up when they are asked for."""
    return Environment.here(memory=False, accelerators=())


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _has_state(manifest: Manifest) -> bool:
    return manifest.unit is not UnitKind.FUNCTION
