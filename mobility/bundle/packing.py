"""`pack`: from a unit to a signed bundle.

A bundle is signed once. At birth the owner's certificate names the manifest, at a move the hop record of the sending
place does; and the manifest names everything else.
"""

from __future__ import annotations

import hashlib
import platform
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mobility.bundle.bundle import Bundle, seal_context, sealed_payload
from mobility.bundle.chunks import digests_of_all
from mobility.bundle.collecting import Collected, collect, unit_of
from mobility.bundle.errors import CodeAltered
from mobility.bundle.manifest import Encoding, Manifest, SealedPart, SegmentEntry, SegmentKind
from mobility.bundle.payload import Parts, Payload
from mobility.environment import Needs, needs_of_modules
from mobility.state import ExecutionState, discard, restore
from mobility.trust.certificate import BirthCertificate
from mobility.trust.keys import Identity
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.passport import Passport, VerifiedPassport
from mobility.trust.trustlist import TrustedKey

__all__ = ["Birth", "pack"]

_DAY: Final = 24 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What an owner decides once for the whole life of an agent.

    Attributes
    ----------
    agent
        Its id; None: a random one.
    home
        The place where it is born, to which its first bundle is addressed; None: anywhere.
    places
        Where it may go; None: anywhere.
    in_order
        Whether `places` are its stops one by one.
    capabilities
        What it may ask for.
    lifetime
        Seconds for which places accept it.
    hop_limit
        How many hops it may make.
    """

    agent: str | None = None
    home: str | None = None
    places: tuple[str, ...] | None = None
    in_order: bool = False
    capabilities: tuple[str, ...] = ()
    lifetime: int = 30 * _DAY
    hop_limit: int = 32


def pack(
    unit: Any,
    *,
    by: Identity,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    birth: Birth | None = None,
    passport: VerifiedPassport | None = None,
    origin: str | None = None,
    to: str | None = None,
    seal_to: TrustedKey | None = None,
    needs: Needs | None = None,
    now: float | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Bundle:
    """Put a unit into a signed bundle: its code, its values and, of a suspended generator, its execution state.

    The unit stays as it is. Large buffers are not copied: they must not change until the bundle has been written or
    sent. Leave a generator with `discard` once the other side has it.

    Parameters
    ----------
    unit
        A suspended generator of a `resumable` function, or its `ExecutionState` (strong mobility); a function or class,
        which travels with `args` and `kwargs`; or an object (weak mobility).
    by
        Who signs: the owner at birth, afterwards the place that sends.
    birth
        What the owner decides; for the first bundle only.
    passport
        The verified passport with which the unit came here; then this is a hop.
    origin, to
        From and to which place the hop leads, by the names that the others know. `origin` is the signer's name unless
        given; `to` None: any place where the itinerary allows it.
    seal_to
        Whose key alone opens the bundle.
    needs
        What it needs beside what its code and values show: memory, processors, accelerators.
    now
        Unix time; the clock's unless given.

    Returns
    -------
    Bundle

    Raises
    ------
    NotMovable, NotPackable, GeneratorRunning
        If a value cannot travel; names it, and what to do.
    SourceMissing, ForeignCode, CodeAltered
        If its code cannot travel, or is not what the owner signed.
    BrokenChain, OffItinerary, HopLimitReached
        If no place would accept the hop.
    TooLarge
    """
    moment = int(time.time() if now is None else now)
    parts = _taken_apart(unit, args, kwargs or {})
    if passport is None:
        return _born(parts, by, birth or Birth(), seal_to, needs, moment, limits)
    if birth is not None:
        raise ValueError("an agent is born once: give birth for the first bundle, passport for every other")
    if (parts.code_digest,) != passport.birth.certificate.code:
        raise CodeAltered(
            agent=passport.agent, signed=passport.birth.certificate.code, found=(parts.code_digest,)
        )
    agent, epoch = passport.agent, passport.epoch + 1
    context = seal_context(agent, epoch, passport.digest)
    manifest, payload = _described(parts, agent, epoch, seal_to, context, needs, limits)
    body = manifest.to_bytes()
    stamped = passport.stamped(
        by, origin=origin or by.name, destination=to, manifest=hashlib.sha256(body).digest(), time=moment
    )
    return Bundle(stamped, body, payload)


def _taken_apart(unit: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Collected:
    if not isinstance(unit, ExecutionState):
        return collect(*unit_of(unit, args, kwargs))
    generator = restore(unit)
    try:
        return collect(*unit_of(generator, args, kwargs))
    finally:
        discard(generator)  # else its finally blocks would run here, when it is collected


def _born(
    parts: Collected,
    by: Identity,
    birth: Birth,
    seal_to: TrustedKey | None,
    needs: Needs | None,
    moment: int,
    limits: Limits,
) -> Bundle:
    agent = birth.agent or secrets.token_hex(8)
    manifest, payload = _described(parts, agent, 0, seal_to, seal_context(agent, 0, None), needs, limits)
    body = manifest.to_bytes()
    certificate = BirthCertificate(
        agent=agent,
        owner=by.key_id,
        entry_point=parts.entry_point,
        code=(parts.code_digest,),
        arguments=hashlib.sha256(parts.data.state).digest(),
        manifest=hashlib.sha256(body).digest(),
        home=birth.home,
        places=birth.places,
        in_order=birth.in_order,
        capabilities=birth.capabilities,
        not_before=moment,
        not_after=moment + birth.lifetime,
        hop_limit=birth.hop_limit,
    )
    return Bundle(Passport(certificate.sign(by)), body, payload)


def _described(
    parts: Collected,
    agent: str,
    epoch: int,
    seal_to: TrustedKey | None,
    context: bytes,
    needs: Needs | None,
    limits: Limits,
) -> tuple[Manifest, Payload]:
    data = parts.data
    contents = [
        (SegmentKind.CODE, memoryview(parts.code)),
        (SegmentKind.STATE, data.state),
        *((SegmentKind.BUFFER, buffer) for buffer in data.buffers),
        *((SegmentKind.PREVIEW, memoryview(preview)) for preview in (parts.preview,) if preview is not None),
    ]
    views = tuple(view.cast("B") for _, view in contents)
    limits.check("code_bytes", len(parts.code), "the code segment")
    limits.check("segments", len(views), "the number of segments")
    limits.check("total_bytes", sum(map(len, views)), "the segments together")
    part: SealedPart | None = None
    payload: Payload
    if seal_to is None:
        digests = digests_of_all(views)
        payload = Parts(views)
    else:
        part, payload = sealed_payload(views, seal_to, context, limits)
        digests = [(parts.code_digest,), *[()] * (len(views) - 1)]
    entries = tuple(
        SegmentEntry(segment, len(view), segment is SegmentKind.BUFFER and not view.readonly, tuple(chunks))
        for (segment, _), view, chunks in zip(contents, views, digests, strict=True)
    )
    manifest = Manifest(
        agent=agent,
        epoch=epoch,
        unit=parts.kind,
        entry_point=parts.entry_point,
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        encodings=_encodings(parts),
        needs=_needs(parts, needs),
        suspension=parts.suspension,
        segments=entries,
        sealed=part,
    )
    return manifest, payload


def _encodings(parts: Collected) -> tuple[Encoding, ...]:
    used = {Encoding.PICKLE: True, Encoding.DILL: parts.data.used_dill, Encoding.BYTECODE: parts.data.bytecode}
    return tuple(encoding for encoding, present in used.items() if present)


def _needs(parts: Collected, given: Needs | None) -> Needs:
    """What code and values show, and what the caller says."""
    found = needs_of_modules(parts.outside)
    given = given or Needs()
    named = {distribution.name: distribution for distribution in (*found, *given.distributions)}
    minor = ".".join(platform.python_version_tuple()[:2]) if parts.data.bytecode else given.python_minor
    return replace(given, distributions=tuple(named[name] for name in sorted(named)), python_minor=minor)
