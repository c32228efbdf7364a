"""The links of a passport after the birth certificate: one record for each move, and one for each branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mobility.trust._naming import DIGEST, NAME, TIME
from mobility.trust.envelope import Envelope
from mobility.trust.keys import Identity
from mobility.trust.strict import Integer, Maybe, Record, Schema, Text, write_canonical

__all__ = ["BRANCH_RECORD_TYPE", "FORMS", "HOP_RECORD_TYPE", "HopRecord"]

#: Names form and version, and is signed with the body: one version cannot pass for another.
HOP_RECORD_TYPE: Final = "application/vnd.sojourn.hop-record.v1+json"
BRANCH_RECORD_TYPE: Final = "application/vnd.sojourn.branch-record.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HopRecord:
    """One move, or the branch with which a child begins.

    Attributes
    ----------
    agent
        The agent's id; in a branch, the parent's.
    epoch
        1 for the first hop.
    previous
        Digest of the envelope before: of the birth certificate for the first hop, else of the last hop.
    manifest
        SHA-256 of the manifest of what was sent.
    origin, destination
        From and to which place; without a destination, to whoever has the bundle.
    time
        Unix time at the sending place.
    child, entry_point
        In a branch, the id of the child, and what is run as it; both None in a hop.

    Raises
    ------
    ValueError
        For one of `child` and `entry_point` without the other.
    """

    agent: str
    epoch: int
    previous: bytes
    manifest: bytes
    origin: str
    destination: str | None
    time: int
    child: str | None = None
    entry_point: str | None = None

    def __post_init__(self) -> None:
        if (self.child is None) != (self.entry_point is None):
            raise ValueError("a branch has both a child and its entry point, and a hop neither")

    @property
    def stays(self) -> bool:
        """Whether nothing leaves the place: of a branch, or of a checkpoint that a place writes for itself."""
        return self.origin == self.destination

    def sign(self, place: Identity) -> Envelope:
        """Sign it as the sending place.

        Raises
        ------
        SchemaError
            If a field cannot travel.
        """
        kind = HOP_RECORD_TYPE if self.child is None else BRANCH_RECORD_TYPE
        return Envelope.sign(kind, write_canonical(self, FORMS[kind]), place)


def _form(**more: Schema[str]) -> Record[HopRecord]:
    fields: dict[str, Schema[Any]] = {
        "agent": NAME,
        "epoch": Integer(low=1),
        "previous": DIGEST,
        "manifest": DIGEST,
        "from": NAME,
        "to": Maybe(NAME),
        "time": TIME,
    }
    attributes = {"from": "origin", "to": "destination"}
    return Record(HopRecord, {**fields, **more}, constants={"version": 1}, attributes=attributes)


#: By type: how such a record is written and read.
FORMS: Final = {HOP_RECORD_TYPE: _form(), BRANCH_RECORD_TYPE: _form(child=NAME, entry_point=Text())}
