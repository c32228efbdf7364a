"""What the demonstration says: lines as things happen, for people; or one JSON object at the end, for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agents.cli.options import Format
from agents.cli.screen import Screen, amount, write_json
from agents.demo.watching import Move, Said

if TYPE_CHECKING:
    from agents.demo.central import Comparison
    from agents.demo.hospitals import Patients
    from agents.trail import Trail

__all__ = ["GROWTH", "Report", "Teller"]

#: Bytes by which what is carried may grow with a hop: the name of the place, in the list of those that were visited.
GROWTH: Final = 16
_SHOWN: Final = 3  # links of the passport at either end


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it.

    Attributes
    ----------
    rows_bytes
        Bytes of all patients' rows.
    seconds
        From launch to result.
    """

    moves: Sequence[Move]
    found: Mapping[str, Any]
    comparisons: Sequence[Comparison]
    trail: Trail
    rows_bytes: int
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether every quantity is the central one."""
        return all(comparison.equal for comparison in self.comparisons)

    @property
    def training(self) -> Sequence[Move]:
        """The moves of the rounds in which it was trained: all but the first round and the last."""
        hospitals = len({move.destination for move in self.moves})
        return self.moves[hospitals - 1 : len(self.moves) - hospitals]

    @property
    def steady(self) -> bool:
        """Whether what it carried in training had one size, however many rows it had seen, and was not theirs."""
        first, *others = self.training
        grown = all(abs(move.carried - first.carried) <= GROWTH * (1 + move.number - first.number) for move in others)
        return grown and all(move.carried < self.rows_bytes // 4 for move in self.moves)

    @property
    def vouched(self) -> bool:
        """Whether the passport holds, and is that of exactly these moves."""
        return self.trail.verified and [(link.origin, link.destination) for link in self.trail] == [
            (move.origin, move.destination) for move in self.moves
        ]

    @property
    def holds(self) -> bool:
        """Whether all that was promised is so."""
        return self.equal and self.steady and self.vouched


class Teller:
    """Tells it on stdout."""

    def __init__(self, chosen: Format) -> None:
        self._screen = Screen() if chosen is Format.TEXT else None

    def title(self, sites: Mapping[str, Patients]) -> None:
        """Who takes part; `sites` is empty if that is not known yet."""
        if self._screen is None:
            return
        self._screen.line("A surveyor travels between three hospitals. No patient's row leaves its own.", "bold")
        if sites:
            self._screen.line()
        for place, patients in sites.items():
            benign = int(patients.benign.sum())
            ill = len(patients) - benign
            self._screen.line(f"  {place}  {len(patients)} patients: {ill} malignant, {benign} benign")

    def launched(self, agent: str, hospitals: Sequence[str]) -> None:
        """It is on its way."""
        if self._screen is None:
            return
        self._screen.heading(f"The way of agent {agent}, born at {hospitals[0]}")
        self._screen.line("   #  from     to         carries   passport       took", "dim")

    def event(self, event: Move | Said) -> None:
        """A move, or a line that the agent logged."""
        if self._screen is None:
            return
        if isinstance(event, Said):
            self._screen.line(f"      {event.place}: {event.text}", "cyan")
            return
        carries, passport = amount(event.carried), amount(event.passport)
        way = f"{event.origin:<7}  {event.destination:<7}"
        self._screen.line(f"{event.number:>4}  {way}  {carries:>9}  {passport:>9}  {event.ms:>6.1f} ms")

    def report(self, told: Report) -> None:
        """What it has brought back, and whether that is what it should be."""
        if self._screen is None:
            write_json(_jsonable(told))
            return
        self._result(self._screen, told)
        self._sizes(self._screen, told)
        self._passport(self._screen, told)

    def _result(self, screen: Screen, told: Report) -> None:
        screen.heading("What it found, beside the same from all rows at one place")
        rows = []
        for one in told.comparisons:
            values = " x ".join(map(str, one.shape))
            name = f"{one.quantity} ({values})" if values else one.quantity
            numbers = (f"{one.carried:.12g}", f"{one.central:.12g}", f"{one.apart:.1e}")
            rows.append((f"{name}, {one.by}", *numbers, "equal" if one.equal else "NOT EQUAL"))
        screen.table(("quantity", "surveyor", "one place", "differs by", ""), rows)
        screen.line("Of many values the first is shown, and by how much any of them differs at most.")
        converged = "converged" if any(one.by == "scikit-learn" for one in told.comparisons) else "not converged yet"
        screen.line(f"Training: {told.found['steps']} steps, {converged}. From launch to result {told.seconds:.1f} s.")

    def _sizes(self, screen: Screen, told: Report) -> None:
        carried = [move.carried for move in told.training]
        most = max(move.carried for move in told.moves)
        screen.heading("What it carried")
        screen.line(
            f"While it was trained {amount(min(carried))} to {amount(max(carried))} at every move, never more than "
            f"{amount(most)}; all rows have {amount(told.rows_bytes)}."
        )
        if told.steady:
            screen.line("It has one size however many rows it has seen: sums travel, and rows do not.")
        else:
            screen.line("THAT IS NOT STEADY: it may have carried rows.", "bold red")

    def _passport(self, screen: Screen, told: Report) -> None:
        trail = told.trail
        screen.heading("Its passport")
        head, *table = str(trail).split("\n")
        screen.line(head)
        left_out = len(trail) - 2 * _SHOWN
        if left_out > 1:
            mark = "all verified" if trail.verified else "NOT VERIFIED"
            table = [*table[: 1 + _SHOWN], f"... {left_out} more, {mark}", *table[-_SHOWN:]]
        for line in table:
            screen.line(line)
        if trail.verified and not told.vouched:
            screen.line("IT IS NOT THE PASSPORT OF THESE MOVES.", "bold red")

    def end(self, told: Report) -> None:
        """In one line."""
        if self._screen is None:
            return
        self._screen.line()
        if told.holds:
            count = len(told.moves)
            self._screen.line(
                f"{count} moves, every one signed and verified; the result is the one of one place, to rounding.",
                "bold green",
            )
        else:
            parts = {"the result differs": told.equal, "what it carried was not steady": told.steady}
            parts["the passport does not hold"] = told.vouched
            wrong = "; ".join(part for part, holds in parts.items() if not holds)
            self._screen.line(f"FAILED: {wrong}.", "bold red")


def _jsonable(told: Report) -> dict[str, Any]:
    return {
        "holds": told.holds,
        "seconds": round(told.seconds, 3),
        "result": {name: value.tolist() if hasattr(value, "tolist") else value for name, value in told.found.items()},
        "comparisons": [
            {**{name: getattr(one, name) for name in one.__slots__}, "equal": one.equal} for one in told.comparisons
        ],
        "carried": {
            "steady": told.steady,
            "training_bytes": [move.carried for move in told.training],
            "rows_bytes": told.rows_bytes,
        },
        "moves": [
            {**{name: getattr(move, name) for name in move.__slots__}, "carried": move.carried} for move in told.moves
        ],
        "passport": {
            "agent": told.trail.agent,
            "owner": told.trail.owner,
            "verified": told.trail.verified,
            "vouched": told.vouched,
            "problem": told.trail.problem,
            "links": [
                {"number": link.number, "from": link.origin, "to": link.destination, "signed_by": link.signed_by}
                for link in told.trail
            ],
        },
    }
