"""The passport of an agent as a table: who held it, in what state, and when; each link verified."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agents.client import CALL, Client
from agents.eventlog import EventKind, LogEvent
from agents.handoff import Status as RowStatus
from agents.place.trusting import MemberTrust
from mobility.display.elements import legible
from mobility.display.picture import Picture
from mobility.errors import MobilityError
from mobility.trust import Passport, TrustList, VerifiedPassport
from mobility.trust.errors import UntrustedSigner

__all__ = ["Link", "Trail", "told_to_end", "trail_of"]

#: Seconds for which the log may lag behind.
_LATE: Final = 0.6
_MOVES: Final = (EventKind.DEPARTED, EventKind.FROZEN, EventKind.ARRIVED)
_STAYS: Final = (
    *_MOVES,
    EventKind.BORN,
    EventKind.RESTORED,
    EventKind.MOVE_FAILED,
    EventKind.ENDED,
    EventKind.FAILED,
)


@dataclass(frozen=True, slots=True)
class Link:
    """One hop.

    Attributes
    ----------
    number
        From 1 on.
    origin, destination
        From where, and to where.
    time
        Unix time at the sending place.
    signed_by
        Role and name of who signed.
    child
        In a branch, the id of the child that begins with it.
    bytes, freeze_ms, ship_ms, thaw_ms
        What the move took, as the places have logged it; None where they have not (yet).
    """

    number: int
    origin: str
    destination: str | None
    time: int
    signed_by: str
    child: str | None = None
    bytes: int | None = None
    freeze_ms: float | None = None
    ship_ms: float | None = None
    thaw_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Trail(Sequence[Link]):
    """All hops of an agent.

    Attributes
    ----------
    verified
        Whether every link holds.
    problem
        Why not.
    events
        What the log tells of its stays and moves; no part of what was verified.
    """

    agent: str
    name: str
    owner: str
    born: int
    links: tuple[Link, ...]
    verified: bool
    problem: str = ""
    events: tuple[LogEvent, ...] = field(default=(), compare=False, repr=False)

    def timeline(self, until: float | None = None) -> Picture:
        """A picture of where it was and when, and of what each move took; it saves itself as SVG or HTML.

        Parameters
        ----------
        until
            Unix time to which an agent that lives is drawn; else to the last that its log tells.
        """
        from agents.views.timeline import timeline

        return timeline(self.name, self.events, note="" if self.verified else "NOT VERIFIED", until=until)

    def chain(self) -> Picture:
        """A picture of the chain of hops, with a mark for each link; it saves itself as SVG or HTML."""
        from agents.views.chain import chain_picture

        return chain_picture(self)

    def _repr_html_(self) -> str:
        from agents.views.cards import trail_card
        from mobility.display.sheet import safe_html

        return safe_html("trail of", self.name, lambda: trail_card(self))

    def __len__(self) -> int:
        return len(self.links)

    def __getitem__(self, index: Any) -> Any:
        return self.links[index]

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links)

    def __str__(self) -> str:
        mark = "verified" if self.verified else f"NOT VERIFIED: {self.problem}"
        rows = [["#", "from", "to", "state", "freeze", "ship", "thaw", "signed by", ""]]
        for link in self.links:
            what = f" (branch {link.child})" if link.child is not None else ""
            row = [
                str(link.number),
                link.origin,
                (link.destination or "a file") + what,
                _bytes(link.bytes),
                _ms(link.freeze_ms),
                _ms(link.ship_ms),
                _ms(link.thaw_ms),
                link.signed_by,
                mark,
            ]
            rows.append([legible(cell) for cell in row])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        if not self.verified:  # nothing that an unverified passport says is to be believed
            return legible(f"{self.name}, {mark}", 2000)
        head = legible(f"{self.name}, born {_when(self.born)}, owner {self.owner}, {mark}")
        return "\n".join([head, *(lines if self.links else ["no hops yet"])])


def _bytes(count: int | None) -> str:
    if count is None:
        return "-"
    for unit, size in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def _when(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def trail_of(client: Client, agent: str) -> Trail:
    """Read the passport that the directory keeps, verify it, and add what the log tells of each hop.

    Raises
    ------
    UnknownAgent, DirectoryUnreachable
    """
    entry = client.find(agent)
    name = (entry.info.name if entry.info is not None else None) or entry.row.agent
    if entry.passport is None:
        return Trail(entry.row.agent, name, "", 0, (), False, "its passport is kept no more")
    try:
        verified = _verified(client, Passport.from_bytes(entry.passport))
    except MobilityError as error:
        return Trail(entry.row.agent, name, "", 0, (), False, str(error))
    # Of what is before the branch with which it began, the log has only events of another agent.
    own = max((number for number, hop in enumerate(verified.hops, 1) if hop.child == verified.agent), default=0)
    way = [(hop.origin, hop.destination) for hop in verified.hops[own:]]
    took, events = _logged(client, entry.row.agent, way, entry.row.status)
    links = tuple(
        Link(
            hop.epoch,
            hop.origin,
            hop.destination,
            hop.time,
            str(sender),
            hop.child,
            **(took[number - own] if number >= own else {}),
        )
        for number, (hop, sender) in enumerate(zip(verified.hops, verified.senders, strict=True))
    )
    return Trail(
        verified.agent, name, str(verified.owner), verified.birth.certificate.not_before, links, True, "", events
    )


def _verified(client: Client, passport: Passport) -> VerifiedPassport:
    """Checked against those that this program trusts, a place that has joined meanwhile among them."""
    trust = client.trust if client.trust is not None else TrustList()
    try:
        return passport.verify(trust, now=time.time(), audience=None)
    except UntrustedSigner:
        if not isinstance(trust, MemberTrust) or not trust.look(client.transport, timeout=CALL):
            raise
    return passport.verify(trust, now=time.time(), audience=None)


def told_to_end(events: Sequence[LogEvent], status: RowStatus) -> bool:
    """Whether the log tells of the end of an agent that runs nowhere; places write to it a moment later."""
    ends: dict[RowStatus, tuple[EventKind, ...]] = {
        RowStatus.ENDED: (EventKind.ENDED, EventKind.FAILED),
        RowStatus.FROZEN: (EventKind.FROZEN,),
    }
    return status not in ends or any(event.kind in ends[status] for event in events)


def _logged(
    client: Client, agent: str, hops: Sequence[tuple[str, str | None]], status: RowStatus
) -> tuple[list[dict[str, Any]], tuple[LogEvent, ...]]:
    """What the log tells of the hops, and of its end if it has; places write to it later than they act."""
    deadline = time.monotonic() + _LATE
    expected = sum(1 if destination is None else 2 for _, destination in hops)
    while True:
        events = client.events(agent=agent, kinds=_STAYS, limit=10_000)
        moves = [event for event in events if event.kind in _MOVES]
        told = len(moves) >= expected and told_to_end(events, status)
        if told or time.monotonic() >= deadline:
            return _measured(moves, hops), tuple(events)
        time.sleep(0.05)


def _measured(events: Sequence[LogEvent], hops: Sequence[tuple[str, str | None]]) -> list[dict[str, Any]]:
    """What each hop took, by its departure: that is the next one of its way; empty for a hop that the log lacks."""
    left = [event for event in events if event.kind is not EventKind.ARRIVED]
    came = {
        (event.data.get("source"), event.place, event.epoch): event.data
        for event in events
        if event.kind is EventKind.ARRIVED
    }
    left.sort(key=lambda event: event.epoch or 0)
    told: list[dict[str, Any]] = []
    for origin, destination in hops:
        ways = [(event.place, event.data.get("to")) for event in left]
        if (origin, destination) not in ways:
            told.append({})
            continue
        index = ways.index((origin, destination))
        event, left = left[index], left[index + 1 :]
        arrival = came.get((origin, destination, event.epoch), {})
        freeze, thaw, total = event.data.get("freeze_ms"), arrival.get("thaw_ms"), arrival.get("total_ms")
        ship = None
        if total is not None and freeze is not None and thaw is not None:
            ship = max(0.0, total - freeze - thaw)
        told.append({"bytes": event.data.get("bytes"), "freeze_ms": freeze, "ship_ms": ship, "thaw_ms": thaw})
    return told
