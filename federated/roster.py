"""Who takes part in a run, said by the participants themselves: a node answers only beside k others that it trusts.

With secure aggregation a server sees the sum of the updates, and each node relies on there being others in that sum.
The server's word for it is worth nothing: it could name nodes that it made up.

1. Each node signs a *seat*: the run, the app, and a random number of its own (`take_seat`).
2. The server collects the seats into a `Roster`, and sends it to all.
3. Before a node answers it holds the roster against what it knows (`check_roster`): its own seat with its own number is
   there, all seats are of this run and app, each is signed by another key, every one of which it trusts as a place, and
   there are at least k of them.
4. If the server could gain by showing different rosters to different nodes, each node then signs the roster's digest
   (`endorse`), and answers when at least k of those on the roster have signed the same one (`check_endorsements`): the
   consistency check of Bonawitz et al. 2017 (section 4 and figure 4, round 3).

What this shows: that k nodes which the node trusts have agreed to take part in this very run with this very app. Not
shown: that they answer in the end, or are not all in the server's hand: whom a node trusts is up to its owner.

References
----------
Bonawitz et al.: Practical Secure Aggregation for Privacy-Preserving Machine Learning. CCS 2017.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import InitVar, dataclass
from functools import cached_property
from itertools import islice
from typing import Final, NoReturn

from federated.errors import RosterRefused
from mobility.trust.certificate import verify_by_known
from mobility.trust.envelope import Envelope, VerifiedEnvelope
from mobility.trust.errors import TrustError
from mobility.trust.keys import Identity, Role
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.strict import Array, Hexadecimal, Integer, Record, Text, parse_strict, write_canonical
from mobility.trust.trustlist import TrustedKey, TrustList, TrustSource

__all__ = ["CheckedRoster", "Roster", "Seat", "check_endorsements", "check_roster", "endorse", "take_seat"]

_SEAT_TYPE: Final = "application/vnd.sojourn.roster-seat.v1+json"
_ENDORSEMENT_TYPE: Final = "application/vnd.sojourn.roster-endorsement.v1+json"
_MOST_SEATS: Final = 4096
_KEY_ID: Final = Text(re.compile("[0-9a-f]{64}"), least=64, most=64)
#: Only `check_roster` has it, so only that makes a `CheckedRoster`.
_PROOF: Final = object()


@dataclass(frozen=True, slots=True)
class Seat:
    """What a node signs to take part.

    Attributes
    ----------
    run
        The run's id.
    app
        SHA-256 of the app.
    key
        Key id of the node.
    nonce
        A random number of the node, for this run: a roster of before does not have it.
    time
        Unix time, in seconds.
    """

    run: str
    app: bytes
    key: str
    nonce: bytes
    time: int


@dataclass(frozen=True, slots=True)
class _Endorsement:
    roster: bytes
    key: str


_SEAT: Final = Record(
    Seat,
    {"run": Text(most=128), "app": Hexadecimal(32), "key": _KEY_ID, "nonce": Hexadecimal(16), "time": Integer()},
    constants={"version": 1},
)
_ENDORSEMENT: Final = Record(_Endorsement, {"roster": Hexadecimal(32), "key": _KEY_ID}, constants={"version": 1})


@dataclass(frozen=True)
class Roster:
    """Seats as a server sends them around: nothing in it is to be believed before `check_roster`."""

    seats: tuple[Envelope, ...]

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over the seats' digests, in whatever order they came."""
        return hashlib.sha256(b"".join(sorted(seat.digest for seat in self.seats))).digest()

    def to_bytes(self) -> bytes:
        """As canonical JSON."""
        return write_canonical(_Listed(tuple(seat.to_bytes().hex() for seat in self.seats)), _LISTED)

    @classmethod
    def from_bytes(cls, data: bytes, limits: Limits = DEFAULT_LIMITS) -> Roster:
        """Read it; nothing is verified by that.

        Raises
        ------
        RosterRefused
            If it is no roster.
        """
        with _refused():
            listed = parse_strict(data, _LISTED, limits)
            return cls(tuple(Envelope.from_bytes(bytes.fromhex(seat), limits) for seat in listed.seats))


@dataclass(frozen=True, slots=True)
class _Listed:
    seats: tuple[str, ...]

    def __post_init__(self) -> None:
        for seat in self.seats:
            bytes.fromhex(seat)


_LISTED: Final = Record(
    _Listed, {"seats": Array(Text(most=8192), most=_MOST_SEATS)}, constants={"format": "sojourn-roster-1"}
)


@dataclass(frozen=True, slots=True)
class CheckedRoster:
    """A roster that a node believes.

    Attributes
    ----------
    participants
        The trusted keys on it, by key id.
    digest
        Of the roster.
    k
        How many it had to have.
    """

    run: str
    app: bytes
    participants: tuple[TrustedKey, ...]
    digest: bytes
    k: int
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        if proof is not _PROOF:
            raise TypeError("a CheckedRoster is made by check_roster, not by calling CheckedRoster")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a CheckedRoster is not copied or pickled: check the roster where it arrives")


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except TrustError as error:
        raise RosterRefused(error.slug, error.reason) from error


def take_seat(node: Identity, run: str, app: bytes, *, now: float, nonce: bytes | None = None) -> tuple[Envelope, Seat]:
    """Sign that a node takes part; it keeps the seat, to find its own number in the roster.

    Parameters
    ----------
    nonce
        16 random bytes; made if not given.

    Raises
    ------
    SchemaError
        For a run or digest that no signed body can carry.
    """
    seat = Seat(run, app, node.key_id, os.urandom(16) if nonce is None else nonce, int(now))
    return Envelope.sign(_SEAT_TYPE, write_canonical(seat, _SEAT), node), seat


def _signed_by_place(
    envelope: Envelope, trusted: TrustList, payload_type: str, now: float, limits: Limits
) -> tuple[VerifiedEnvelope, TrustedKey]:
    verified = verify_by_known(envelope, trusted, payload_type, limits)
    signer = verified.signers[0]
    return verified, trusted.lookup(signer.key_id, Role.PLACE, now, None, limits=limits)


def check_roster(
    roster: Roster,
    own: Seat,
    k: int,
    trust: TrustSource,
    *,
    now: float,
    longest: float = 7 * 86_400,
    limits: Limits = DEFAULT_LIMITS,
) -> CheckedRoster:
    """Whether a node may answer in a run: at least `k` participants whom it trusts, itself among them.

    Parameters
    ----------
    own
        The seat that this node has taken in this run; run and app are its.
    trust
        Whom this node trusts. A single seat of somebody else spoils the roster: it would take part in the sum too.
    now
        Unix time.
    longest
        How old a seat may be, in seconds.

    Raises
    ------
    RosterRefused
        `why` says which rule.
    """
    if k < 1:
        raise ValueError("k is at least 1")
    if len(roster.seats) > _MOST_SEATS:
        raise RosterRefused("too-large", f"it has {len(roster.seats)} seats, and {_MOST_SEATS} are read")
    trusted = trust.current()
    participants: dict[str, TrustedKey] = {}
    mine = False
    for envelope in roster.seats:
        with _refused():
            verified, key = _signed_by_place(envelope, trusted, _SEAT_TYPE, now, limits)
            seat = verified.parse(_SEAT, limits)
        if seat.key != key.key_id:
            raise RosterRefused("bad-signature", f"the seat of key {seat.key[:16]} is signed by {key}")
        if key.key_id in participants:
            raise RosterRefused("same-key-twice", f"{key} has two seats, and is one participant")
        if seat.run != own.run:
            raise RosterRefused("another-run", f"the seat of {key} is of the run {seat.run!r}, and this is {own.run!r}")
        if seat.app != own.app:
            raise RosterRefused("another-app", f"the seat of {key} is for another app")
        if not now - longest - limits.clock_skew <= seat.time <= now + limits.clock_skew:
            raise RosterRefused("stale", f"the seat of {key} was taken {now - seat.time:.0f} seconds ago")
        if key.key_id == own.key:
            if seat.nonce != own.nonce:
                raise RosterRefused("stale", "this node has taken another seat in this run: the roster is a replay")
            mine = True
        participants[key.key_id] = key
    if not mine:
        raise RosterRefused("not-mine", "this node has no seat on it")
    if len(participants) < k:
        raise RosterRefused("too-few", f"it has {len(participants)} participants, and this node demands {k}")
    listed = tuple(participants[key_id] for key_id in sorted(participants))
    return CheckedRoster(own.run, own.app, listed, roster.digest, k, _PROOF)


def endorse(node: Identity, roster: CheckedRoster) -> Envelope:
    """Sign that this is the roster that the node has seen and checked."""
    body = write_canonical(_Endorsement(roster.digest, node.key_id), _ENDORSEMENT)
    return Envelope.sign(_ENDORSEMENT_TYPE, body, node)


def check_endorsements(
    roster: CheckedRoster, endorsements: Iterable[Envelope], trust: TrustSource, *, now: float
) -> tuple[TrustedKey, ...]:
    """Who of the roster has seen the same one: at least its `k`, else nobody may answer.

    Endorsements by others, of other rosters, or without a good signature count for nothing; they do no harm, so that
    one bad node cannot end a run.

    Raises
    ------
    RosterRefused
        ``not-endorsed``.
    """
    trusted = trust.current()
    known = {key.key_id for key in roster.participants}
    found: dict[str, TrustedKey] = {}
    for envelope in islice(endorsements, _MOST_SEATS):
        try:
            verified, key = _signed_by_place(envelope, trusted, _ENDORSEMENT_TYPE, now, DEFAULT_LIMITS)
            endorsement = verified.parse(_ENDORSEMENT)
        except TrustError:
            continue
        if key.key_id in known and endorsement == _Endorsement(roster.digest, key.key_id):
            found[key.key_id] = key
    if len(found) < roster.k:
        problem = f"{len(found)} of its participants have signed that they saw the same one, and {roster.k} must"
        raise RosterRefused("not-endorsed", problem)
    return tuple(found[key_id] for key_id in sorted(found))
