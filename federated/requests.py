"""Requests to a data node, signed by whoever asks: the node knows who it is, and nobody can ask in his name.

A signed request is four bytes of length, an envelope (`mobility.trust.envelope`), and the request itself as it stands.
The envelope says for which node the request is, its SHA-256, when it was signed, and a random number.

Rules
-----
1. Only a key that the node trusts as an owner's, that is not revoked and has not expired, asks for anything.
2. A request is for one node, and of this hour: it is not older than ten minutes, nor from the future.
3. A random number is taken once, also across restarts. It is looked at last, so that only a good request uses it up.
4. Runs belong to their asker: what was answered to one is given to no other (`federated.node` sees to that).

Not handled: secrecy, and who it is that answers. Both are up to the transport. A number taken within the last moment
before a power failure, not a ``kill -9``, may be forgotten.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federated.apperrors import RequestRefused
from federated.links import NodeLink
from federated.nodefile import open_node_file
from mobility.trust import Identity, PublicIdentity, Role, TrustSource
from mobility.trust.certificate import verify_by_known
from mobility.trust.envelope import Envelope
from mobility.trust.errors import TrustError
from mobility.trust.limits import DEFAULT_LIMITS
from mobility.trust.strict import Hexadecimal, Integer, Record, Text, write_canonical

__all__ = ["NonceBook", "SignedLink", "SignedRequest", "sign_request", "verify_request"]

_TYPE: Final = "application/vnd.sojourn.federated-request.v1+json"
_LENGTH: Final = struct.Struct(">I")
_MOST: Final = 4096  # bytes of an envelope
_AGE: Final = 600.0  # seconds for which a request is good: a large one takes its time
_PRUNING: Final = 60.0  # seconds between two looks for numbers that need not be known any more


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is signed; `time` in milliseconds."""

    audience: str
    sha256: bytes
    time: int
    nonce: bytes


_ASK: Final = Record(
    _Ask,
    {"audience": Text(most=256), "sha256": Hexadecimal(32), "time": Integer(), "nonce": Hexadecimal(16)},
    constants={"version": 1},
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that was found good.

    Attributes
    ----------
    asker
        Who asks.
    body
        The request.
    sha256
        Of the body.
    """

    asker: PublicIdentity
    body: bytes
    sha256: bytes


def sign_request(request: bytes, node: str, asker: Identity, *, now: float | None = None) -> bytes:
    """A request to a node as it travels; each one is another, as it has a random number.

    Parameters
    ----------
    now
        Unix time; the clock's, if None.
    """
    moment = time.time() if now is None else now
    ask = _Ask(node, hashlib.sha256(request).digest(), int(moment * 1000), os.urandom(16))
    envelope = Envelope.sign(_TYPE, write_canonical(ask, _ASK), asker).to_bytes()
    return b"".join((_LENGTH.pack(len(envelope)), envelope, request))


def verify_request(data: bytes, node: str, trust: TrustSource, nonces: NonceBook, *, now: float) -> SignedRequest:
    """Look at a request before anything in it is believed.

    Parameters
    ----------
    node
        Who is asked.
    now
        Unix time.

    Raises
    ------
    RequestRefused
        `why` says which rule.
    """
    envelope, body = _parted(data, node)
    try:
        verified = verify_by_known(envelope, trust.current(), _TYPE, DEFAULT_LIMITS)
        asker = verified.signers[0]
        trust.current().lookup(asker.key_id, Role.OWNER, now, None)
        ask = verified.parse(_ASK)
    except TrustError as error:
        raise RequestRefused(node, error.slug, error.reason) from error
    if ask.audience != node:
        raise RequestRefused(node, "another-audience", f"it is for {ask.audience!r}")
    skew = DEFAULT_LIMITS.clock_skew
    age = now - ask.time / 1000
    if age > _AGE:
        raise RequestRefused(node, "too-old", f"it was signed {age:.0f} seconds ago")
    if age < -skew:
        raise RequestRefused(node, "from-the-future", f"it was signed {-age:.0f} seconds from now, by the clock here")
    digest = hashlib.sha256(body).digest()
    if digest != ask.sha256:
        raise RequestRefused(node, "altered", "it is not what was signed")
    if not nonces.take(ask.nonce, ask.time, int((now - _AGE) * 1000)):
        raise RequestRefused(node, "replayed", "it was made before, or the clock there was set back")
    return SignedRequest(asker, body, digest)


def _parted(data: bytes, node: str) -> tuple[Envelope, bytes]:
    if len(data) >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(data)
        if length <= min(_MOST, len(data) - _LENGTH.size):
            end = _LENGTH.size + length
            try:
                return Envelope.from_bytes(data[_LENGTH.size : end]), bytes(memoryview(data)[end:])
            except TrustError:
                pass
    raise RequestRefused(node, "unsigned", "it does not begin with an envelope")


_TABLES: Final = """
CREATE TABLE IF NOT EXISTS nonces (nonce BLOB PRIMARY KEY, time INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgotten (until INTEGER);
"""


class NonceBook:
    """The random numbers that were taken, as long as they matter.

    Parameters
    ----------
    path
        Of a file; None: in memory.

    Raises
    ------
    sqlite3.DatabaseError
        If there is a file that is damaged; it is left as it is.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._database = open_node_file(path, _TABLES, synchronous="NORMAL")
        self._pruned = time.monotonic()
        (until,) = self._database.execute("SELECT max(until) FROM forgotten").fetchone()
        self._forgotten: int = until if until is not None else -1

    def take(self, nonce: bytes, time_: int, useless: int) -> bool:
        """Whether it was free, and is taken now.

        Parameters
        ----------
        time_
            When it was signed, in milliseconds.
        useless
            What was signed before that moment would not be asked about.
        """
        with self._lock:
            if time_ <= self._forgotten:  # the clock was set back: whether it was taken is not known any more
                return False
            taken = self._database.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?)", (nonce, time_)).rowcount == 1
            if time.monotonic() - self._pruned > _PRUNING:
                self._prune(useless)
            return taken

    def _prune(self, useless: int) -> None:
        self._pruned = time.monotonic()
        self._forgotten = max(self._forgotten, useless - 1)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.execute("DELETE FROM forgotten")
            self._database.execute("INSERT INTO forgotten VALUES (?)", (self._forgotten,))
            self._database.execute("DELETE FROM nonces WHERE time <= ?", (self._forgotten,))
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


class SignedLink:
    """A link whose requests are signed on their way out.

    Parameters
    ----------
    link
        Carries them.
    asker
        In whose name they are made.
    clock
        Gives Unix time.
    """

    def __init__(self, link: NodeLink, asker: Identity, *, clock: Callable[[], float] = time.time) -> None:
        self._link = link
        self.asker = asker
        self._clock = clock

    def nodes(self) -> Sequence[str]:
        """Those of the link."""
        return self._link.nodes()

    def ask(self, node: str, request: bytes, timeout: float) -> bytes:
        """What the node answers; see `federated.links.NodeLink`."""
        return self._link.ask(node, sign_request(request, node, self.asker, now=self._clock()), timeout)
