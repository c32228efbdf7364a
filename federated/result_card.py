"""What came of a run, as a card for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mobility.display.elements import Element, element
from mobility.display.sheet import (
    Sign,
    badge,
    card,
    fact_table,
    mono,
    muted,
    rows_of_table,
    section,
    size_text,
    time_text,
)

if TYPE_CHECKING:
    from federated.results import RunResult

__all__ = ["result_card"]

#: Metrics of one phase that have a column each.
_MOST_METRICS: Final = 16


def result_card(result: RunResult) -> Element:
    """Who took part, the metrics by round, and what went wrong."""
    tally = result.tally
    facts = fact_table(
        [
            ("run", mono(result.run)),
            ("app", mono(result.app[:16])),
            ("nodes", ", ".join(result.nodes) or "none"),
            ("took", time_text(result.seconds)),
            ("bytes", f"{size_text(tally.sent)} sent, {size_text(tally.received)} received"),
        ]
    )
    parts = []
    for phase, by_round in result.metrics.items():
        all_names = sorted({name for one in by_round.values() for name in one})
        names = all_names[:_MOST_METRICS]
        rows = [(str(number), *(_number(one.get(name)) for name in names)) for number, one in sorted(by_round.items())]
        if rows and names:  # an app may train without metrics, and then there is nothing to show of its rounds
            more = muted(f"and {len(all_names) - len(names)} more metrics") if len(all_names) > len(names) else None
            parts.append(section(phase, rows_of_table(("round", *names), rows), more))
    if result.refused:
        refused = [(element("bdi", node), reason) for node, reason in result.refused.items()]
        parts.append(section("Refused", rows_of_table(("node", "why"), refused)))
    if result.failures:
        parts.append(section("Failures", rows_of_table(("node", "type", "group", "why"), result.failures)))
    wrong = len(result.refused) + len(result.failures)
    mark = badge(Sign.BAD, f"{wrong} refusals and failures") if wrong else badge(Sign.GOOD, "no failures")
    return card("federated run", result.strategy or "without a strategy", facts, *parts, mark=mark)


def _number(value: object) -> str:
    return "-" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
