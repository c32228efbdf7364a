"""A bundle whose signatures, manifest and segments were checked: from this type alone is a bundle unpacked."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Final

from mobility.bundle.errors import BundleSpent
from mobility.bundle.manifest import Manifest, SegmentKind
from mobility.trust._proof import Proof, Verified
from mobility.trust.passport import VerifiedPassport

if TYPE_CHECKING:
    from mobility.bundle.bundle import Bundle

__all__ = ["VerifiedBundle"]

_PROOF: Final = Proof()


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedBundle(Verified):
    """Made by `Bundle.verify` and `receive` only.

    That it is verified says who signed it, not that it is harmless: decode the state in the agent's own cell.

    Attributes
    ----------
    bundle
        The bytes that were verified, to send on.
    manifest
        What is in it.
    passport
        Owner, hops and sender.
    code
        The source of each code segment, in the order of the manifest, also where it came from what is known here.
    state
        Read-only.
    buffers
        Read-only; `writable_buffers` is for the one agent that is made from them.
    preview
        What the sender shows of the state, if anything.
    luggage
        What the sender's platform gave along beside the unit, if anything: its bytes, read-only. Nothing here reads
        them; that they are signed says who sent them, not that they are harmless.
    """

    bundle: Bundle
    manifest: Manifest
    passport: VerifiedPassport
    code: tuple[bytes, ...]
    state: memoryview
    buffers: tuple[memoryview, ...]
    preview: memoryview | None
    luggage: memoryview | None
    proof: InitVar[object]
    _own: tuple[memoryview, ...] = field(repr=False)
    _spent: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self, proof: object) -> None:
        self._require(proof, _PROOF)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the manifest, which names everything else."""
        return self.passport.manifest

    def __repr__(self) -> str:
        found = self.passport
        return f"<VerifiedBundle of {found.agent}, epoch {found.epoch}, {self.bundle.size} bytes, by {found.sender}>"

    def _repr_html_(self) -> str:
        from mobility.display.papers import verified_bundle_card
        from mobility.display.sheet import safe_html

        return safe_html("bundle", "", lambda: verified_bundle_card(self))

    def writable_buffers(self) -> tuple[memoryview, ...]:
        """The buffers, each in writable memory if it was so at the sender, else read-only.

        Memory that the bundle has to itself (it was received, read from a file, or given as a `bytearray`) is handed
        out as it is, and only once: two agents must not share it. Other memory is copied, at each call, and so is a
        buffer that begins at an odd address, as it may where the whole bundle was read in one piece: arithmetic on
        arrays is slow there, and some processors forbid it. `receive` gives each buffer a place of its own.

        Raises
        ------
        BundleSpent
            If the bundle's own memory was handed out before.
        """
        writable = [entry.writable for entry in self.manifest.segments if entry.kind is SegmentKind.BUFFER]
        in_place = any(own and not view.readonly for own, view in zip(writable, self._own, strict=True))
        if in_place and not self._spent.acquire(blocking=False):
            raise BundleSpent()
        return tuple(
            (view if _fits(view) else memoryview(bytearray(view))) if own else view.toreadonly()
            for own, view in zip(writable, self._own, strict=True)
        )


#: What the largest numbers of arrays ask for.
_ALIGNMENT: Final = 16


def _fits(view: memoryview) -> bool:
    """Whether an agent can have this memory as it is."""
    if view.readonly:
        return False
    return not len(view) or ctypes.addressof(ctypes.c_char.from_buffer(view)) % _ALIGNMENT == 0


def accepted(
    bundle: Bundle,
    manifest: Manifest,
    passport: VerifiedPassport,
    carried: Sequence[memoryview],
    known: Sequence[bytes],
) -> VerifiedBundle:
    """The verdict, after every check; for the verifications of this package only.

    Parameters
    ----------
    carried
        The segments that came with the bundle, in order.
    known
        The code that did not come with it.
    """
    entries = manifest.carried(bundle.omits_code)
    by_kind: dict[SegmentKind, list[memoryview]] = {kind: [] for kind in SegmentKind}
    for entry, view in zip(entries, carried, strict=True):
        by_kind[entry.kind].append(view)
    buffers, preview = tuple(by_kind[SegmentKind.BUFFER]), by_kind[SegmentKind.PREVIEW]
    luggage = by_kind[SegmentKind.LUGGAGE]
    return VerifiedBundle(
        bundle=bundle,
        manifest=manifest,
        passport=passport,
        code=tuple(known) if bundle.omits_code else tuple(map(bytes, by_kind[SegmentKind.CODE])),
        state=by_kind[SegmentKind.STATE][0].toreadonly(),
        buffers=tuple(view.toreadonly() for view in buffers),
        preview=preview[0].toreadonly() if preview else None,
        luggage=luggage[0].toreadonly() if luggage else None,
        proof=_PROOF,
        _own=buffers,
    )
