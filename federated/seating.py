"""A node's side of the roster: with whom it takes part in a run, and what it signs for them.

Where a dataset demands `least` participants:

1. Admission gives the node's *seat* in the run, signed by the place; it is the same one whenever the run asks again.
2. ``roster``: the first one that passes `check_roster` is the run's for good. Another one is refused: from the sums of
   two groups a server could subtract. The node signs its digest.
3. ``endorsements``: at least `least` of those on the roster have signed the same digest. Only now are messages
   answered.
4. ``vouch`` and ``evidence``: in secure aggregation nodes vouch for their public keys, and for what they have seen of a
   round; `federated.masking` has what is held against that.

Seat, roster and endorsements are kept on disk, and outlive the run: under its number there is no other roster. At each
message the keys on it are looked up anew, as those of authors are.

Not handled: whether an app masks what it returns. The owner admits the app, and its policy says which messages and keys
may leave. What else is not shown is in `federated.roster` and `federated.masking`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from federated.dataset import Dataset, Records
from federated.errors import MaskingRefused, RosterRefused
from federated.masking import (
    Round,
    Stage,
    VouchedKeys,
    keys_digest,
    masking_of,
    next_round,
    statement_of,
    with_lists,
)
from federated.messages import node_number, pack_message
from federated.roster import CheckedRoster, Roster, Seat, check_endorsements, check_roster, endorse, take_seat
from federated.seats import KeptSeat, RunKey, SeatBook
from federated.vouching import read_consent, read_voucher, sign_consent, sign_voucher
from mobility.trust.envelope import Envelope
from mobility.trust.errors import TrustError
from mobility.trust.keys import Identity, Role
from mobility.trust.trustlist import TrustEntry, TrustList, TrustSource

__all__ = ["SEATING", "Seating"]

#: The requests that `Seating.answer` answers.
SEATING: Final = frozenset({"roster", "endorsements", "vouch", "evidence"})
_LONGEST: Final = 7 * 86_400.0  # seconds for which a seat may have been taken before its roster comes


class _Fellows:
    """Of those whom a node trusts, the places that may take part; and the node itself."""

    def __init__(self, trust: TrustSource, own: Identity, fellows: frozenset[str] | None) -> None:
        self._trust = trust
        self._own = own
        self._fellows = fellows

    def current(self) -> TrustList:
        known = self._trust.current()
        kept = [
            entry
            for entry in known.listed
            if self._fellows is None or entry.key_id in self._fellows or entry.key_id == self._own.key_id
        ]
        if self._own.key_id not in known.entries:
            kept.append(TrustEntry(self._own.public, self._own.name, (Role.PLACE,)))
        return TrustList.of(known.version, kept, place=known.place)


@dataclass(slots=True)
class _Standing:
    """A roster that was checked, and against which list."""

    trust: TrustList
    least: int
    roster: CheckedRoster


class Seating:
    """All seats of a node; safe to share among threads.

    Parameters
    ----------
    name
        Of the node.
    identity
        Its place's; without one it has no dataset that demands a roster.
    trust
        Whom it trusts.
    path
        Of the file for what it keeps; None: in memory.

    Raises
    ------
    sqlite3.DatabaseError
        If there is a file that is damaged; it is left as it is.
    """

    def __init__(self, name: str, identity: Identity | None, trust: TrustSource, path: Path | None) -> None:
        self._name = name
        self._identity = identity
        self._trust = trust
        self._book = SeatBook(path)
        self._lock = threading.RLock()
        self._standing: dict[RunKey, _Standing] = {}

    def require(self, name: str, dataset: Dataset) -> None:
        """Whether a dataset can be had here.

        Raises
        ------
        ValueError
            If it demands a roster that nobody could sign here, or none that could ever be.
        """
        if dataset.least is None:
            return
        if self._identity is None:
            raise ValueError(f"the dataset {name} demands a roster, and the node has no identity to sign its seat with")
        if type(dataset.least) is not int or dataset.least < 1:
            raise ValueError(f"the dataset {name} demands {dataset.least!r} participants: it is a number from 1 on")
        if dataset.fellows is not None and len(dataset.fellows - {self._own.key_id}) + 1 < dataset.least:
            raise ValueError(f"the dataset {name} demands {dataset.least} participants, and has too few fellows")

    @property
    def _own(self) -> Identity:
        assert self._identity is not None, "a dataset was not asked about"
        return self._identity

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def forget(self, visit: RunKey) -> None:
        """A run has ended: its rounds are forgotten, and its roster is not."""
        self._book.forget_rounds(visit)

    # -- the roster

    def offer(self, visit: RunKey, dataset: Dataset) -> dict[str, Any]:
        """What an admission tells of it: nothing, or the node's seat, and its roster if it has one already."""
        if dataset.least is None:
            return {}
        with self._lock:
            kept = self._book.seat(visit)
            if kept is None:
                envelope, seat = take_seat(self._own, str(visit[0]), bytes.fromhex(visit[2]), now=time.time())
                kept = KeptSeat(envelope.to_bytes(), seat.nonce, seat.time)
                self._book.keep_seat(visit, kept)
        return {"least": dataset.least, "seat": kept.envelope, "roster": kept.roster}

    def answer(self, visit: RunKey, dataset: Dataset, request: Mapping[str, Any]) -> bytes:
        """Answer one of `SEATING`.

        Raises
        ------
        RosterRefused, MaskingRefused
        """
        if dataset.least is None:
            raise RosterRefused("no-seat", f"{self._name} demands no roster here, and takes no part in one")
        with self._lock:
            if request["do"] == "roster":
                return self._take_roster(visit, dataset, request["roster"])
            if request["do"] == "endorsements":
                return self._take_endorsements(visit, dataset, request["endorsements"])
            roster = self._roster(visit, dataset)
            if request["do"] == "evidence":
                return self._take_evidence(visit, dataset, roster, request["round"], request["statements"])
            return self._vouch(visit, roster, request["round"], request["active"], request["dead"])

    def _kept(self, visit: RunKey) -> KeptSeat:
        kept = self._book.seat(visit)
        if kept is None:
            raise RosterRefused("no-seat", f"{self._name} has taken no seat in this run")
        return kept

    def _checked(self, visit: RunKey, dataset: Dataset, kept: KeptSeat, data: bytes, longest: float) -> CheckedRoster:
        assert dataset.least is not None
        own = Seat(str(visit[0]), bytes.fromhex(visit[2]), self._own.key_id, kept.nonce, kept.time)
        trust = _Fellows(self._trust, self._own, dataset.fellows)
        roster = Roster.from_bytes(data)
        return check_roster(roster, own, dataset.least, trust, now=time.time(), longest=longest)

    def _take_roster(self, visit: RunKey, dataset: Dataset, data: bytes) -> bytes:
        kept = self._kept(visit)
        if kept.roster and kept.roster != data:
            raise RosterRefused("another-roster", "this run has a roster here already, for good, and this is another")
        checked = self._checked(visit, dataset, kept, data, _LONGEST)
        self._book.keep_seat(visit, replace(kept, roster=data))
        return pack_message("endorsed", endorsement=endorse(self._own, checked).to_bytes())

    def _take_endorsements(self, visit: RunKey, dataset: Dataset, data: list[Any]) -> bytes:
        kept = self._kept(visit)
        if not kept.roster:
            raise RosterRefused("no-roster", "endorsements came before a roster")
        checked = self._checked(visit, dataset, kept, kept.roster, math.inf)
        self._require_endorsed(dataset, checked, data)
        self._book.keep_seat(visit, replace(kept, endorsements=tuple(one for one in data if type(one) is bytes)))
        return pack_message("seated")

    def _require_endorsed(self, dataset: Dataset, checked: CheckedRoster, data: list[Any] | tuple[bytes, ...]) -> None:
        envelopes = []
        for one in data:
            try:
                envelopes.append(Envelope.from_bytes(one))
            except (TrustError, TypeError):
                continue  # it counts for nothing, as one that is badly signed does
        trust = _Fellows(self._trust, self._own, dataset.fellows)
        check_endorsements(checked, envelopes, trust, now=time.time())

    def _roster(self, visit: RunKey, dataset: Dataset) -> CheckedRoster:
        """The endorsed roster of a run, all of whose keys are trusted now.

        Raises
        ------
        RosterRefused
        """
        assert dataset.least is not None
        trust = _Fellows(self._trust, self._own, dataset.fellows).current()
        standing = self._standing.get(visit)
        if standing is None or standing.trust != trust or standing.least != dataset.least:
            kept = self._kept(visit)
            if not kept.endorsements:
                problem = (
                    f"{self._name} answers only on a roster of {dataset.least} that they have endorsed, and has none"
                )
                raise RosterRefused("no-roster", problem)
            checked = self._checked(visit, dataset, kept, kept.roster, math.inf)
            self._require_endorsed(dataset, checked, kept.endorsements)
            standing = self._standing[visit] = _Standing(trust, dataset.least, checked)
        now = time.time()
        for one in standing.roster.participants:
            try:
                trust.lookup(one.key_id, Role.PLACE, now, None)
            except TrustError as error:
                raise RosterRefused(error.slug, error.reason) from error
        return standing.roster

    # -- secure aggregation

    def before(self, visit: RunKey, dataset: Dataset, message: Mapping[str, Any]) -> Round | None:
        """Whether the app may see a message; what is given goes to `answered` with its reply.

        Raises
        ------
        RosterRefused, MaskingRefused
        """
        if dataset.least is None:
            return None
        with self._lock:
            return self._next(visit, self._roster(visit, dataset), message)

    def answered(self, visit: RunKey, message: Mapping[str, Any], after: Round | None, content: Records) -> None:
        """Keep how far the round has come, before the reply leaves.

        Raises
        ------
        MaskingRefused
            If it is not what the stage asks for.
        """
        if after is None:
            return
        if after.stage == Stage.SETUP:
            digest = keys_digest(masking_of({**message, "content": content}) or {})
            if digest is None:
                raise MaskingRefused("form", "the app has answered the setup without public keys")
            after = replace(after, keys=digest)
        with self._lock:
            self._book.keep_round(visit, after)

    def _next(self, visit: RunKey, roster: CheckedRoster, message: Mapping[str, Any]) -> Round | None:
        current = self._book.round(visit)
        named = message["group"]
        after = next_round(
            message,
            current,
            own=node_number(self._name),
            k=roster.k,
            most=len(roster.participants),
            vouched={one.number: one for one in self._book.vouched(visit, named)},
        )
        if after is None:
            return None
        if after.stage == Stage.SETUP:
            maker = self._book.set_up_by(visit, named)
            if maker is not None and maker != message["id"]:
                raise MaskingRefused("set-up-twice", f"the round {named!r} was set up here before")
        if after.stage == Stage.UNMASK:
            self._require_agreed(visit, roster, after)
        return after

    def _require_agreed(self, visit: RunKey, roster: CheckedRoster, after: Round) -> None:
        statement = statement_of(roster.run, roster.app, after)
        numbers = {one.number: one.key for one in self._book.vouched(visit, after.name)}
        living = {numbers.get(number) for number in after.active} | {self._own.key_id}
        agreed = {key for key, said in self._book.consents(visit, after.name) if said == statement} & living
        if self._book.statement(visit, after.name) == statement:
            agreed.add(self._own.key_id)
        needed = max(roster.k, after.threshold)
        if len(agreed) < needed:
            problem = f"{len(agreed)} of those in the sum have signed that they saw the same round, and {needed} must"
            raise MaskingRefused("not-agreed", problem)

    def _vouch(self, visit: RunKey, roster: CheckedRoster, named: str, active: list[Any], dead: list[Any]) -> bytes:
        current = self._book.round(visit)
        if current is None or current.name != named or not current.keys:
            raise MaskingRefused("stage", f"the round {named!r} was not set up here, or is over")
        if not active:
            own = VouchedKeys(node_number(self._name), self._own.key_id, current.keys, current.parameters)
            return pack_message("vouched", statement=sign_voucher(self._own, roster, named, own).to_bytes())
        if current.stage not in (Stage.COLLECT, Stage.UNMASK):
            raise MaskingRefused("stage", f"what {self._name} has seen of the round {named!r} is not complete yet")
        after = with_lists(current, active, dead, own=node_number(self._name), k=roster.k)
        statement = statement_of(roster.run, roster.app, after)
        said = self._book.state_once(visit, named, statement)
        if said != statement:
            raise MaskingRefused("another-statement", f"{self._name} has signed something else of the round {named!r}")
        return pack_message("vouched", statement=sign_consent(self._own, roster, named, statement).to_bytes())

    def _take_evidence(
        self, visit: RunKey, dataset: Dataset, roster: CheckedRoster, named: str, statements: list[Any]
    ) -> bytes:
        trust = _Fellows(self._trust, self._own, dataset.fellows)
        now = time.time()
        for one in statements[: 2 * len(roster.participants)]:
            if type(one) is not bytes:
                continue
            vouched = read_voucher(one, roster, named, trust, now)
            if vouched is not None:
                self._book.keep_vouched(visit, named, vouched)
            consent = None if vouched is not None else read_consent(one, roster, named, trust, now)
            if consent is not None:
                self._book.keep_consent(visit, named, *consent)
        return pack_message("seated")
