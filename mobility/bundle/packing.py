"""`pack`: from a unit to a signed bundle.

A bundle is signed once. At birth the owner's certificate names the manifest, at a move the hop record of the sending
place does, at a branch its branch record; and the manifest names everything else.
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
from mobility.bundle.chunks import digests, digests_of_all
from mobility.bundle.collecting import Collected, collect, unit_of
from mobility.bundle.errors import CodeAltered
from mobility.bundle.manifest import Encoding, Manifest, SealedPart, SegmentEntry, SegmentKind, UnitKind
from mobility.bundle.payload import Parts, Payload
from mobility.environment import Needs, needs_of_modules
from mobility.state import ExecutionState, discard, restore
from mobility.trust.certificate import BirthCertificate
from mobility.trust.itinerary import Itinerary
from mobility.trust.keys import Identity
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.passport import Passport, VerifiedPassport
from mobility.trust.trustlist import TrustedKey

__all__ = ["Birth", "Branch", "needs_of", "pack"]

_DAY: Final = 24 * 60 * 60
#: Where a bundle is read in one piece, its first large buffer begins at a multiple of this.
_ALIGNMENT: Final = 64
_NOTHING: Final = Needs()


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
        Seconds for which places accept it; where it is when they are over, its place ends it.
    hop_limit
        How many hops it may make.
    itinerary
        Where it may go, and in which order: a term of `mobility.trust.itinerary`; not beside `places`.
    """

    agent: str | None = None
    home: str | None = None
    places: tuple[str, ...] | None = None
    in_order: bool = False
    capabilities: tuple[str, ...] = ()
    lifetime: int = 30 * _DAY
    hop_limit: int = 32
    itinerary: Itinerary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """That the unit goes on as another agent: a clone, or what the agent spawns from its own code.

    Attributes
    ----------
    child
        The id of the new agent, which none of its ancestors has had.
    """

    child: str


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
    branch: Branch | None = None,
    luggage: bytes | None = None,
    preview: bool = True,
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
        which travels with `args` and `kwargs`; or an object (weak mobility). Or its `Collected` parts, where it was
        taken apart in another process, which has no key.
    by
        Who signs: the owner at birth, afterwards the place that sends.
    birth
        What the owner decides; for the first bundle only.
    passport
        The verified passport with which the unit came here; then this is a hop.
    origin, to
        From and to which place the hop leads, by the names that the others know. `origin` is the signer's name unless
        given; `to` None: any place where the itinerary allows it.
    branch
        Then the bundle is the first one of a child, whose passport goes on from `passport`; a generator is cloned, a
        function of the same signed code is spawned with its arguments. The agent and its own passport stay as they are.
    luggage
        What a platform gives along beside the unit: its own bytes, signed with the rest and never decoded here.
    preview
        Whether the bundle shows the variables of a generator, for people to look at.
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
    ValueError
        For a birth after the birth, and a branch before it.
    """
    moment = int(time.time() if now is None else now)
    if branch is not None and passport is None:
        raise ValueError("only an agent can branch: give the passport with which it came")
    parts = _taken_apart(unit, args, kwargs or {}, preview)
    if passport is None:
        born = birth or Birth()
        agent, epoch, previous = born.agent or secrets.token_hex(8), 0, None
    elif birth is not None:
        raise ValueError("an agent is born once: give birth for the first bundle, passport for every other")
    elif (parts.code_digest,) != passport.birth.certificate.code:
        signed = passport.birth.certificate.code
        raise CodeAltered(agent=passport.agent, signed=signed, found=(parts.code_digest,))
    else:
        agent, epoch, previous = passport.agent, passport.epoch + 1, passport.digest
        if branch is not None:
            agent = branch.child

    def signed_with(contents: _Contents) -> Bundle:
        manifest = _manifest(parts, contents, agent, epoch, needs)
        body = manifest.to_bytes()
        digest = hashlib.sha256(body).digest()
        if passport is None:
            state = hashlib.sha256(contents.views[1]).digest()
            stamped = _certified(parts, by, born, agent, state, digest, moment)
        else:
            stamped = passport.stamped(
                by,
                origin=origin or by.name,
                destination=to,
                manifest=digest,
                time=moment,
                child=branch.child if branch else None,
                entry_point=parts.entry_point if branch else None,
            )
        return Bundle(stamped, body, contents.payload)

    contents = _Contents.of(parts, luggage, limits)
    if seal_to is not None:
        return signed_with(contents.sealed(parts.code_digest, seal_to, seal_context(agent, epoch, previous), limits))
    bundle = signed_with(contents)
    if parts.data.buffers:
        gap = -(bundle.size - bundle.payload.size + sum(map(len, contents.views[:2]))) % _ALIGNMENT
        if gap:
            bundle = signed_with(contents.padded(gap))
    return bundle


def _taken_apart(unit: Any, args: Sequence[Any], kwargs: Mapping[str, Any], preview: bool) -> Collected:
    if isinstance(unit, Collected):
        return unit
    if not isinstance(unit, ExecutionState):
        return collect(*unit_of(unit, args, kwargs), preview=preview)
    generator = restore(unit)
    try:
        return collect(*unit_of(generator, args, kwargs), preview=preview)
    finally:
        discard(generator)  # else its finally blocks would run here, when it is collected


def _certified(
    parts: Collected, by: Identity, birth: Birth, agent: str, state: bytes, manifest: bytes, moment: int
) -> Passport:
    certificate = BirthCertificate(
        agent=agent,
        owner=by.key_id,
        entry_point=parts.entry_point,
        code=(parts.code_digest,),
        arguments=state,
        manifest=manifest,
        home=birth.home,
        places=birth.places,
        in_order=birth.in_order,
        capabilities=birth.capabilities,
        not_before=moment,
        not_after=moment + birth.lifetime,
        hop_limit=birth.hop_limit,
        itinerary=birth.itinerary,
    )
    return Passport(certificate.sign(by))


@dataclass(frozen=True, slots=True)
class _Contents:
    """The segments of a bundle in the making: code, state, buffers, preview, luggage."""

    kinds: tuple[SegmentKind, ...]
    views: tuple[memoryview, ...]
    digests: tuple[tuple[bytes, ...], ...]
    payload: Payload
    seal: SealedPart | None = None

    @classmethod
    def of(cls, parts: Collected, luggage: bytes | None, limits: Limits) -> _Contents:
        data = parts.data
        segments = [
            (SegmentKind.CODE, memoryview(parts.code)),
            (SegmentKind.STATE, data.state),
            *((SegmentKind.BUFFER, buffer) for buffer in data.buffers),
        ]
        for kind, more in ((SegmentKind.PREVIEW, parts.preview), (SegmentKind.LUGGAGE, luggage)):
            if more is not None:
                segments.append((kind, memoryview(more)))
        views = tuple(view.cast("B") for _, view in segments)
        limits.check("code_bytes", len(parts.code), "the code segment")
        limits.check("segments", len(views), "the number of segments")
        limits.check("total_bytes", sum(map(len, views)), "the segments together")
        kinds = tuple(kind for kind, _ in segments)
        return cls(kinds, views, tuple(digests_of_all(views)), Parts(views))

    def sealed(self, code: bytes, recipient: TrustedKey, context: bytes, limits: Limits) -> _Contents:
        """The same as ciphertext: of what is in it, only the code's digest is told."""
        seal, payload = sealed_payload(self.views, recipient, context, limits)
        return replace(self, digests=((code,), *[()] * (len(self.views) - 1)), payload=payload, seal=seal)

    def padded(self, gap: int) -> _Contents:
        """The same with so many bytes behind the state, which nobody reads: the first buffer then begins well."""
        code, state, *rest = self.views
        longer = memoryview(bytes(state) + bytes(gap))
        views = (code, longer, *rest)
        return replace(
            self, views=views, digests=(self.digests[0], digests(longer), *self.digests[2:]), payload=Parts(views)
        )

    def entries(self) -> tuple[SegmentEntry, ...]:
        return tuple(
            SegmentEntry(kind, len(view), kind is SegmentKind.BUFFER and not view.readonly, chunks)
            for kind, view, chunks in zip(self.kinds, self.views, self.digests, strict=True)
        )


def _manifest(parts: Collected, contents: _Contents, agent: str, epoch: int, needs: Needs | None) -> Manifest:
    return Manifest(
        agent=agent,
        epoch=epoch,
        unit=parts.kind,
        entry_point=parts.entry_point,
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        encodings=_encodings(parts),
        needs=_needs(parts, needs),
        suspension=parts.suspension,
        segments=contents.entries(),
        sealed=contents.seal,
    )


def _encodings(parts: Collected) -> tuple[Encoding, ...]:
    used = {Encoding.PICKLE: True, Encoding.DILL: parts.data.used_dill, Encoding.BYTECODE: parts.data.bytecode}
    return tuple(encoding for encoding, present in used.items() if present)


def _needs(parts: Collected, given: Needs | None) -> Needs:
    """What code and values show, and what the caller says."""
    given = given or _NOTHING
    if not parts.outside and not parts.data.bytecode:
        return given
    found = needs_of_modules(parts.outside)
    named = {distribution.name: distribution for distribution in (*found, *given.distributions)}
    given = replace(given, distributions=tuple(named[name] for name in sorted(named)))
    return _bound_here(given) if parts.data.bytecode else given


def _bound_here(needs: Needs) -> Needs:
    """Bytecode by value is read by this minor version alone, and on this kind of processor: its constants and what it
    holds of extension modules were made there, and nothing about them is promised elsewhere."""
    processor = platform.machine()
    return replace(
        needs,
        python_minor=".".join(platform.python_version_tuple()[:2]),
        processors=(processor,) if processor else needs.processors,
    )


def needs_of(
    unit: Any, *, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, needs: Needs | None = None
) -> tuple[Needs, UnitKind, bytes]:
    """What the bundle of a unit would ask for, without making one: its needs, its kind, and its code segment.

    Parameters
    ----------
    unit, args, kwargs, needs
        As `pack` takes them.

    Raises
    ------
    NotMovable, NotPackable, GeneratorRunning, SourceMissing, ForeignCode
        If it cannot be packed.
    """
    parts = _taken_apart(unit, args, kwargs or {}, False)
    return _needs(parts, needs), parts.kind, parts.code
