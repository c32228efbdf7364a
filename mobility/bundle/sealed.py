"""The payload of a sealed bundle: its segments as one stream that only the recipient opens.

What is signed are the digests of the ciphertext, which the manifest has; so sealing comes before signing.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile

from mobility.bundle._memory import flat
from mobility.bundle.chunks import CHUNK
from mobility.bundle.errors import BundleFileError
from mobility.bundle.manifest import SealedPart
from mobility.bundle.payload import SPOOLED, Spool
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.sealing import seal
from mobility.trust.trustlist import TrustedKey

__all__ = ["seal_context", "sealed_payload"]


def seal_context(agent: str, epoch: int, previous: bytes | None) -> bytes:
    """What binds a sealed payload to one bundle: the same ciphertext opens in no other.

    Parameters
    ----------
    epoch
        Of the hop with which it is sent; 0 at birth.
    previous
        Digest of the link before the one that is signed with it; None at birth.
    """
    name = agent.encode("utf-8")
    return b"".join([b"sojourn bundle v1\0", struct.pack(">HQ", len(name), epoch), name, previous or bytes(32)])


def sealed_payload(
    segments: Sequence[object], recipient: TrustedKey, context: bytes, limits: Limits = DEFAULT_LIMITS
) -> tuple[SealedPart, Spool]:
    """Seal segments to one recipient; beyond 64 MiB, the ciphertext goes to a temporary file.

    Parameters
    ----------
    segments
        Anything with its bytes in one piece, in the manifest's order; without the code, if the bundle goes without it.
    context
        From `seal_context`.

    Raises
    ------
    TooLarge
    BundleFileError
        If the temporary file cannot be written.
    """
    file = SpooledTemporaryFile(SPOOLED)
    chunks: list[bytes] = []
    size, running = 0, hashlib.sha256()
    try:
        for piece in seal(map(flat, segments), recipient, context=context, limits=limits):
            limits.check("total_bytes", size + len(piece), "the ciphertext")
            file.write(piece)
            view = memoryview(piece)
            while view:
                taken = view[: CHUNK - size % CHUNK]
                running.update(taken)
                size, view = size + len(taken), view[len(taken) :]
                if size % CHUNK == 0:
                    chunks.append(running.digest())
                    running = hashlib.sha256()
        if size % CHUNK:
            chunks.append(running.digest())
    except OSError as error:
        file.close()
        problem = f"could not be written ({error.strerror or error})"
        raise BundleFileError("for the ciphertext", problem, state="Nothing was sent.") from error
    except BaseException:
        file.close()
        raise
    return SealedPart(recipient.key_id, size, tuple(chunks)), Spool(file, size)
