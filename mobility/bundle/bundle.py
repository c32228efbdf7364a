"""A bundle: passport, manifest and segments, in memory, in a file or on the wire.

Rules
-----
1. Reading verifies nothing, and allocates nothing that was only declared. Verifying decodes nothing.
2. Checks come in this order: size, signatures, strict forms, signer, audience, time, epoch fence, manifest, the exact
   set and sizes of the segments, the digest of each chunk. See `mobility.bundle._checks`.
3. One signature for each move: the last link of the passport names the manifest, which names everything else.
4. What was verified is not to change: `read` and `receive` keep bundles in memory that only this process has. A
   `bytearray` that is given to `from_bytes` belongs to the bundle from then on; memory of an agent that is being sent
   must stay as it is until it has been sent.

Not handled: two bundles of the same epoch. The directory decides between them.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobility.bundle import _checks
from mobility.bundle._checks import CodeSource, Terms
from mobility.bundle._memory import allocate, flat
from mobility.bundle.chunks import rechunked
from mobility.bundle.errors import BundleFileError, BundleInvalid, SealedBundle, SegmentMismatch
from mobility.bundle.framing import HEADER_BYTES, Header
from mobility.bundle.manifest import Manifest, SegmentKind
from mobility.bundle.payload import Parts, Payload
from mobility.bundle.sealed import seal_context, sealed_payload
from mobility.bundle.verified import VerifiedBundle, accepted
from mobility.trust._files import write_pieces_atomically
from mobility.trust.keys import Identity
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.passport import Passport
from mobility.trust.trustlist import TrustSource

__all__ = ["Bundle", "seal_context", "sealed_payload"]


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """As it travels: nothing in it is to be believed before `verify`.

    Attributes
    ----------
    passport
        Birth certificate and hops.
    manifest
        The bytes of the manifest.
    payload
        The segments, or their ciphertext.
    omits_code
        Whether the code segments were left out.
    """

    passport: Passport
    manifest: bytes = field(repr=False)
    payload: Payload = field(repr=False)
    omits_code: bool = False

    # -- making

    @classmethod
    def assemble(
        cls, passport: Passport, manifest: bytes, segments: Sequence[object] | Payload, *, omits_code: bool = False
    ) -> Bundle:
        """Put a bundle together; the other steps come before.

        Parameters
        ----------
        passport
            Whose last link names the SHA-256 of `manifest`.
        segments
            Anything with its bytes in one piece, in the manifest's order; not copied, so not to be changed before the
            bundle was sent. Or what `sealed_payload` made.
        omits_code
            Whether the code segments are not among them.
        """
        if isinstance(segments, Sequence):
            return cls(passport, manifest, Parts(tuple(map(flat, segments))), omits_code)
        return cls(passport, manifest, segments, omits_code)

    def without_code(self, manifest: Manifest | None = None) -> Bundle:
        """The same for a place that has the code: its segments are left out, and stay signed.

        Parameters
        ----------
        manifest
            What `claims` has given, if that was asked already.

        Raises
        ------
        SealedBundle
            If the code is sealed together with the rest.
        SegmentMismatch
            If the segments are not as the manifest says.
        TooLarge, SchemaError
        """
        if self.omits_code:
            return self
        manifest = self.claims() if manifest is None else manifest
        if manifest.sealed is not None:
            raise SealedBundle(
                manifest.sealed.recipient,
                problem="its code cannot be taken out",
                remedy="Leave the code out when it is packed.",
            )
        parts = self._parts(manifest, DEFAULT_LIMITS)
        kept = tuple(
            view for entry, view in zip(manifest.segments, parts, strict=True) if entry.kind is not SegmentKind.CODE
        )
        return Bundle(self.passport, self.manifest, Parts(kept), omits_code=True)

    # -- looking

    @property
    def size(self) -> int:
        """Of the whole bundle, in bytes."""
        return self._header(len(self.passport.to_bytes())).size

    def claims(self, limits: Limits = DEFAULT_LIMITS) -> Manifest:
        """What the manifest says of itself, for people to look at. Nothing has been verified: decide nothing by it.

        Raises
        ------
        TooLarge, SchemaError
        """
        return Manifest.from_bytes(self.manifest, limits)

    def claimed(self, kind: SegmentKind, limits: Limits = DEFAULT_LIMITS) -> tuple[memoryview, ...]:
        """The segments of a kind as they lie, before anything has been verified; none of a sealed bundle.

        Raises
        ------
        TooLarge, SchemaError, SegmentMismatch
        """
        manifest = self.claims(limits)
        if manifest.sealed is not None:
            return ()
        entries = manifest.carried(self.omits_code)
        views = self._parts(manifest, limits)
        return tuple(view for entry, view in zip(entries, views, strict=True) if entry.kind is kind)

    def envelope_json(self) -> bytes:
        """The last link of the passport, which signs the manifest, as a standard JSON envelope of DSSE."""
        return (self.passport.hops or (self.passport.birth,))[-1].to_json()

    def __repr__(self) -> str:
        last = (self.passport.hops or (self.passport.birth,))[-1]
        named = ", ".join(signature.key_id[:16] or "none" for signature in last.signatures) or "none"
        return f"<Bundle of epoch {len(self.passport.hops)}, {self.size} bytes, names key {named}, not verified>"

    def _repr_html_(self) -> str:
        from mobility.display.papers import bundle_card
        from mobility.display.sheet import safe_html

        return safe_html("bundle", "", lambda: bundle_card(self))

    # -- verifying

    def verify(
        self,
        trust: TrustSource,
        *,
        audience: str | None = None,
        now: float | None = None,
        last_epoch: int | None = None,
        last_record: bytes | None = None,
        next_only: bool = False,
        identity: Identity | None = None,
        codes: CodeSource | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> VerifiedBundle:
        """Check everything that can be checked without decoding.

        Parameters
        ----------
        trust
            Whose signatures count.
        audience
            The place that receives; None accepts only what is addressed to no place in particular.
        now
            Unix time; None: this machine's.
        last_epoch, last_record, next_only
            What is known of the agent; see `Passport.verify`.
        identity
            With which a sealed bundle is opened.
        codes
            Gives code that is known here by its SHA-256, for bundles without code; its answer is checked.

        Raises
        ------
        TrustError
            From the passport, the form of the manifest, the limits, or the seal.
        BundleError
            From the manifest, the code or the segments.
        """
        terms = Terms(
            trust=trust,
            audience=audience,
            now=now,
            last_epoch=last_epoch,
            last_record=last_record,
            next_only=next_only,
            identity=identity,
            codes=codes,
            limits=limits,
        )
        passport = _checks.check_passport(self.passport, terms)
        manifest = _checks.check_manifest(self.manifest, passport, limits)
        _checks.check_sizes(manifest, self.omits_code, self.payload.size, terms)
        known = _checks.known_code(manifest, self.omits_code, terms)
        entries = manifest.carried(self.omits_code)
        if manifest.sealed is None:
            views = self._parts(manifest, limits)
            _checks.check_segments(entries, views)
        else:
            chunks = rechunked(self.payload.pieces())
            views = _checks.open_sealed(chunks, manifest.sealed, entries, passport, terms)
        return accepted(self, manifest, passport, views, known)

    def _parts(self, manifest: Manifest, limits: Limits) -> list[memoryview]:
        """The segments of an open bundle."""
        sizes = [entry.size for entry in manifest.carried(self.omits_code)]
        if sum(sizes) != self.payload.size:
            problem = f"they have {sum(sizes)} bytes together, and {self.payload.size} are here"
            raise SegmentMismatch(problem, kind="payload")
        payload = self.payload
        return (payload if isinstance(payload, Parts) else Parts(tuple(payload.pieces()))).split(sizes)

    # -- as bytes

    def _header(self, passport_bytes: int) -> Header:
        return Header(self.omits_code, passport_bytes, len(self.manifest), self.payload.size)

    def _pieces(self) -> Iterator[bytes | memoryview]:
        passport = self.passport.to_bytes()
        yield self._header(len(passport)).to_bytes()
        yield passport
        yield self.manifest
        yield from self.payload.pieces()

    def to_bytes(self) -> bytes:
        """The whole bundle in one piece; large ones are better written to a file."""
        return b"".join(self._pieces())

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, limits: Limits = DEFAULT_LIMITS) -> Bundle:
        """Read what `to_bytes` wrote. The payload is not copied, and nothing is verified.

        Parameters
        ----------
        data
            A `bytearray` belongs to the bundle from now on.

        Raises
        ------
        BundleInvalid, TooLarge, EnvelopeInvalid
        TypeError
            For a mapped file, which can change between the check and the use: use `read` or `receive`.
        """
        view: memoryview[Any] = memoryview(data)
        if isinstance(view.obj, mmap.mmap):
            raise TypeError("a mapped file can change after it was checked: use Bundle.read or receive")
        return cls._from_view(view.cast("B"), limits)

    @classmethod
    def _from_view(cls, view: memoryview, limits: Limits) -> Bundle:
        header = Header.from_bytes(view[:HEADER_BYTES], limits)
        if header.size != len(view):
            raise BundleInvalid(f"the bundle declares {header.size} bytes, and there are {len(view)}")
        manifest_start = HEADER_BYTES + header.passport
        payload_start = manifest_start + header.manifest
        passport = Passport.from_bytes(view[HEADER_BYTES:manifest_start], limits)
        payload = Parts((view[payload_start:],), owned=True)
        return cls(passport, bytes(view[manifest_start:payload_start]), payload, header.omits_code)

    # -- as a file

    def write(self, path: str | os.PathLike[str], *, replace: bool = False) -> None:
        """Write the bundle to a file that only its owner may read: whole, or not at all.

        Raises
        ------
        BundleFileError
            If there is a file at `path`, unless `replace`; or if the system refuses.
        """
        target = Path(path)
        unharmed = "Nothing was written; the agent is unharmed."
        try:
            write_pieces_atomically(target, self._pieces(), mode=0o600, replace=replace)
        except FileExistsError:
            raise BundleFileError(
                target, "is there already", state=unharmed, remedy="Choose another path, or pass replace=True."
            ) from None
        except OSError as error:
            problem = f"could not be written ({error.strerror or error})"
            raise BundleFileError(target, problem, state=unharmed) from error

    @classmethod
    def read(cls, path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Bundle:
        """Read a file into memory that only this process has, so that it cannot change after it was verified.

        What counts is the file that was opened: a link is followed, and what it leads to must be a regular file.

        Raises
        ------
        BundleFileError
            If it cannot be read, or is a folder, pipe or device.
        BundleInvalid, TooLarge, EnvelopeInvalid, NoMemory
        """
        try:
            # Opening a pipe must not wait for a writer.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
            with open(os.open(path, flags), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise BundleFileError(path, "is no regular file")
                header = Header.from_bytes(file.read(HEADER_BYTES), limits)
                if header.size != status.st_size:
                    raise BundleInvalid(f"the bundle declares {header.size} bytes, and the file has {status.st_size}")
                view = allocate(header.size)
                file.seek(0)
                done = 0
                while done < len(view):
                    count = file.readinto(view[done : done + (64 << 20)])
                    if not count:
                        raise BundleInvalid("the file became shorter while it was read")
                    done += count
        except OSError as error:
            raise BundleFileError(path, f"could not be read ({error.strerror or error})") from error
        return cls._from_view(view, limits)
