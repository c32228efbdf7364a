"""Sealing a stream to one recipient.

A fresh data key is wrapped for the recipient with HPKE (RFC 9180, base mode: X25519, HKDF-SHA256, AES-256-GCM). The
content goes under AES-256-GCM in chunks; the nonce of a chunk is its number and whether it is the last one, as in
STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015, "Online authenticated-encryption and its nonce-reuse misuse-
resistance"). So a chunk that is dropped, doubled, reordered, cut or taken from elsewhere does not open.

Rules
-----
1. The data key is drawn inside `seal` and is used for that one stream; the number of a chunk comes from the loop. There
   is no parameter for either, so a nonce cannot be used twice under one key.
2. The recipient's key id, the chunk size and the caller's context are authenticated as the ``info`` of HPKE.
3. At most two chunks are held at a time, and each is authentic when it is handed out; that the content is *complete* is
   known only at the end, so nothing is to be used before.
4. A recipient is a `TrustedKey`: what is sealed to a key that nobody vouched for is sealed to anybody.

Not handled: who sealed it. Anybody can; sign the digests of what comes out of `seal`.

Form: ``SJS1``, 32 bytes of key id, the chunk size as 4 big-endian bytes, 80 bytes of wrapped key; then the chunks, each
with its tag of 16 bytes. All but the last are of the chunk size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from mobility.trust.errors import SealBroken, WrongRecipient
from mobility.trust.keys import Identity
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.trustlist import TrustedKey

__all__ = ["seal", "unseal"]

_Buffer: TypeAlias = bytes | bytearray | memoryview

_MAGIC: Final = b"SJS1"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_FIXED: Final = struct.Struct(">4s32sI")
_WRAPPED: Final = 32 + 32 + 16  # an ephemeral public key, the data key, a tag
_TAG: Final = 16
_LAST_CHUNK: Final = 2**32 - 1


def seal(
    content: Iterable[_Buffer], recipient: TrustedKey, *, context: bytes = b"", limits: Limits = DEFAULT_LIMITS
) -> Iterator[bytes]:
    """Seal a stream of bytes, however it is cut, to one recipient.

    Parameters
    ----------
    content
        Is consumed as the result is.
    context
        What the content belongs to; whoever opens it must name the same.

    Yields
    ------
    bytes
        A header of 120 bytes, then the chunks.

    Raises
    ------
    TooLarge
        When more than `Limits.total_bytes` have come.
    """
    key = AESGCM.generate_key(256)
    fixed = _FIXED.pack(_MAGIC, bytes.fromhex(recipient.key_id), limits.chunk_bytes)
    public = X25519PublicKey.from_public_bytes(recipient.public.sealing_key)
    yield fixed + _SUITE.encrypt(key, public, info=_info(fixed, context))
    encrypt = AESGCM(key).encrypt
    for number, (piece, last) in enumerate(_pieces(content, limits.chunk_bytes)):
        limits.check("total_bytes", number * limits.chunk_bytes + len(piece), "the content to be sealed")
        yield encrypt(_nonce(number, last), piece, None)


def unseal(
    sealed: Iterable[_Buffer], identity: Identity, *, context: bytes = b"", limits: Limits = DEFAULT_LIMITS
) -> Iterator[bytes]:
    """Open a sealed stream, however it is cut.

    Each chunk is authentic and in its place when it is yielded. Only when the iteration ends without an error is the
    content complete: use nothing before.

    Yields
    ------
    bytes
        The content, chunk by chunk.

    Raises
    ------
    WrongRecipient
        If it is sealed to another key.
    SealBroken
        If anything was altered, cut, reordered or added, or the context is another.
    TooLarge
        If its chunks or its content exceed the limits.
    """
    header, rest = _split(sealed, _FIXED.size + _WRAPPED)
    if len(header) < _FIXED.size + _WRAPPED or not header.startswith(_MAGIC):
        raise SealBroken("it does not begin as something sealed with version 1")
    fixed, wrapped = header[: _FIXED.size], header[_FIXED.size :]
    _, key_id, chunk_bytes = _FIXED.unpack(fixed)
    if key_id.hex() != identity.key_id:
        raise WrongRecipient(sealed_to=key_id.hex(), opened_by=identity.name)
    limits.check("chunk_bytes", chunk_bytes, "the declared chunk")
    try:
        decrypt = AESGCM(_SUITE.decrypt(wrapped, identity.sealing_private, info=_info(fixed, context))).decrypt
    except (InvalidTag, ValueError):
        raise SealBroken("its header was altered, or it was sealed in another context") from None
    for number, (piece, last) in enumerate(_pieces(rest, chunk_bytes + _TAG)):
        limits.check("total_bytes", number * chunk_bytes + len(piece) - _TAG, "the sealed content")
        try:
            yield decrypt(_nonce(number, last), piece, None)
        except (InvalidTag, ValueError):
            raise SealBroken(f"its chunk {number} was altered, cut or reordered, or does not end it") from None


def _info(fixed: bytes, context: bytes) -> bytes:
    return b"sojourn sealed stream\0" + fixed + context


def _nonce(number: int, last: bool) -> bytes:
    if number > _LAST_CHUNK:
        raise OverflowError("one sealed stream has at most 2**32 chunks")
    return struct.pack(">7xI?", number, last)


def _split(chunks: Iterable[_Buffer], size: int) -> tuple[bytes, Iterator[_Buffer]]:
    """The first `size` bytes (or all, if there are fewer) and what follows."""
    iterator, head = iter(chunks), bytearray()
    for chunk in iterator:
        view = memoryview(chunk).cast("B")
        taken = view[: size - len(head)]
        head += taken
        if len(head) == size:
            return bytes(head), _after(view[len(taken) :], iterator)
    return bytes(head), iter(())


def _after(first: memoryview, rest: Iterator[_Buffer]) -> Iterator[_Buffer]:
    yield first
    yield from rest


def _pieces(chunks: Iterable[_Buffer], size: int) -> Iterator[tuple[_Buffer, bool]]:
    """The same bytes in pieces of `size`, each with whether it is the last; one empty piece if there are none."""
    held: _Buffer | None = None
    partial = bytearray()
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        while view:
            if not partial and len(view) >= size:
                piece: _Buffer = _own(view[:size])
                view = view[size:]
            else:
                taken = view[: size - len(partial)]
                partial += taken
                view = view[len(taken) :]
                if len(partial) < size:
                    break
                piece, partial = partial, bytearray()
            if held is not None:
                yield held, False
            held = piece
    if partial:
        if held is not None:
            yield held, False
        held = partial
    yield b"" if held is None else held, True


def _own(view: memoryview) -> _Buffer:
    """A piece that waits for the next one must not change when the caller reads that into the same buffer."""
    return view if type(view.obj) is bytes else bytes(view)
