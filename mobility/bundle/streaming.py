"""Receiving a bundle: checked while it comes in.

Rules
-----
1. The passport is verified before the manifest is read, and the manifest before the payload.
2. Memory is taken as bytes arrive, not as they are declared, and once: an open segment is read to where it stays.
3. Digests are computed by other threads while reading goes on. After a wrong chunk nothing more is waited for.
4. A sealed bundle is opened as it arrives; only a few chunks of its ciphertext are held.

Not handled: time. Whoever owns the stream decides how long it may take.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NoReturn, Protocol

from mobility.bundle import _checks
from mobility.bundle._checks import CodeSource, Terms
from mobility.bundle._memory import allocate
from mobility.bundle.bundle import Bundle
from mobility.bundle.chunks import CHUNK, cut, workers_of
from mobility.bundle.errors import BundleFileError, BundleInvalid
from mobility.bundle.framing import HEADER_BYTES, Header
from mobility.bundle.manifest import SegmentEntry
from mobility.bundle.payload import OpenedPayload, Parts, Payload
from mobility.bundle.verified import VerifiedBundle, accepted
from mobility.trust.keys import Identity
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.passport import Passport
from mobility.trust.trustlist import TrustSource

__all__ = ["ByteStream", "receive"]

#: Below this, handing a chunk to another thread takes longer than hashing it.
_SMALL: Final = 64 << 10
_PIECE: Final = 1 << 20


class ByteStream(Protocol):
    """A binary file, a socket's `makefile`, or whatever else blocks until there are bytes, and gives none at the end.

    `readinto` is used if it is there.
    """

    def read(self, size: int, /) -> bytes | None: ...


def receive(
    stream: ByteStream,
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
    ends: bool = True,
) -> VerifiedBundle:
    """Read and verify a bundle; also the way to verify a large file.

    Parameters
    ----------
    ends
        Whether the stream has to end with the bundle. Pass False if it stays open for something else.

    Other Parameters
    ----------------
    trust, audience, now, last_epoch, last_record, next_only, identity, codes, limits
        As for `Bundle.verify`.

    Raises
    ------
    TrustError, BundleError
        As `Bundle.from_bytes` and `Bundle.verify` do; `BundleInvalid` also if the stream ends early or goes on.
    BundleFileError
        If the system refuses to read.
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
    source = _Source(stream)
    header = Header.from_bytes(source.exactly(HEADER_BYTES), limits)
    source.size = header.size
    passport = Passport.from_bytes(source.exactly(header.passport), limits)
    verified = _checks.check_passport(passport, terms)
    data = source.exactly(header.manifest)
    manifest = _checks.check_manifest(data, verified, limits)
    _checks.check_sizes(manifest, header.omits_code, header.payload, terms)
    known = _checks.known_code(manifest, header.omits_code, terms)
    entries = manifest.carried(header.omits_code)
    payload: Payload
    if manifest.sealed is None:
        views = _open_segments(source, entries, header.payload)
        payload = Parts(tuple(views), owned=True)
    else:
        views = _checks.open_sealed(_ciphertext(source, header.payload), manifest.sealed, entries, verified, terms)
        payload = OpenedPayload(manifest.sealed.recipient, header.payload)
    if ends:
        source.end()
    return accepted(Bundle(passport, data, payload, header.omits_code), manifest, verified, views, known)


class _Source:
    """Reads exactly what is asked for."""

    def __init__(self, stream: ByteStream) -> None:
        self._read = stream.read
        self._readinto = getattr(stream, "readinto", None)
        self._name = getattr(stream, "name", "of a stream")
        self._done = 0
        self.size = HEADER_BYTES

    def exactly(self, size: int) -> bytes:
        """The next bytes; memory grows as they come."""
        data = bytearray()
        while len(data) < size:
            piece = self._some(min(_PIECE, size - len(data)))
            if not piece:
                self._short()
            data += piece
            self._done += len(piece)
        return bytes(data)

    def into(self, view: memoryview) -> None:
        """The next bytes, to where they stay."""
        while view:
            if self._readinto is None:
                piece = self._some(min(_PIECE, len(view)))
                count = len(piece)
                view[:count] = piece
            else:
                count = self._guarded(self._readinto, view)
            if not count:
                self._short()
            self._done += count
            view = view[count:]

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self._some(1):
            raise BundleInvalid("more bytes follow the bundle")

    def _some(self, size: int) -> bytes:
        piece: bytes = self._guarded(self._read, size)
        if len(piece) > size:
            raise ValueError("the stream gave more bytes than it was asked for")
        return piece

    def _guarded(self, call: Any, argument: Any) -> Any:
        try:
            result = call(argument)
        except OSError as error:
            raise BundleFileError(
                self._name, f"could not be read ({error.strerror or error})", remedy="Send the bundle again."
            ) from error
        if result is None:
            raise ValueError("the stream does not block: receive needs one that waits for bytes")
        return result

    def _short(self) -> NoReturn:
        raise BundleInvalid(f"the stream ended after {self._done} of {self.size} bytes")


def _open_segments(source: _Source, entries: tuple[SegmentEntry, ...], size: int) -> list[memoryview]:
    """Read the segments of an open bundle, and check chunk after chunk while the next ones come in."""
    views: list[memoryview] = []
    threads = workers_of(size)
    waiting: deque[tuple[int, int, Future[bytes]]] = deque()

    def settle(most: int) -> None:
        while waiting and (len(waiting) > most or waiting[0][2].done()):
            number, chunk, digest = waiting.popleft()
            if digest.result() != entries[number].chunks[chunk]:
                raise _checks.mismatch(entries, number, chunk)

    # With one processor, the other thread still hashes while this one waits for bytes.
    with ThreadPoolExecutor(threads, thread_name_prefix="sojourn-receive") as pool:
        try:
            for number, entry in enumerate(entries):
                view = allocate(entry.size)
                views.append(view)
                for chunk, part in enumerate(cut(view)):
                    source.into(part)
                    if len(part) >= _SMALL:
                        waiting.append((number, chunk, pool.submit(_digest, part)))
                        settle(2 * threads)
                    elif _digest(part) != entry.chunks[chunk]:
                        settle(0)  # the first wrong chunk is named, not the first that was found
                        raise _checks.mismatch(entries, number, chunk)
            settle(0)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return views


def _ciphertext(source: _Source, size: int) -> Iterator[memoryview]:
    for start in range(0, size, CHUNK):
        chunk = allocate(min(CHUNK, size - start))
        source.into(chunk)
        yield chunk


def _digest(chunk: memoryview) -> bytes:
    return hashlib.sha256(chunk).digest()
