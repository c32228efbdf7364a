"""A run on the screen: a live table on a terminal, a line for each phase of a round where stderr is piped.

With ``--format json`` each line is JSON: ``{"progress": {"round": 1, "phase": "train", ...}}``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from agents.cli.failures import tell
from agents.cli.jsonable import as_json
from agents.cli.options import Format
from agents.cli.screen import amount, count, escaped, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from federated.results import Progress

__all__ = ["RunScreen", "metrics_line"]

_COLUMNS: Final = ("round", "phase", "clients", "metrics", "seconds", "sent", "received")
_BESIDE: Final = 5  # lines of the screen that are no rows: head, rule, the line below, and the prompt
_SHOWN: Final = 6  # metrics in a row


class RunScreen:
    """Told of each phase of a round, by `run_app`; a context manager.

    Parameters
    ----------
    title
        What runs, and where.
    """

    def __init__(self, title: str, output: Format) -> None:
        self._title = title
        self._output = output
        self._began = time.monotonic()
        self._seen: list[Progress] = []
        self._live: Any = None

    def __enter__(self) -> RunScreen:
        if self._output is Format.TEXT and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.live import Live

            console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
            self._live = Live(
                console=console,
                get_renderable=lambda: self._table(console),
                refresh_per_second=4,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        elif self._output is Format.TEXT:
            tell(escaped(self._title))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show one more phase, unless nobody had a part in it."""
        if not progress.answered and not progress.metrics:
            return
        self._seen.append(progress)
        if self._live is not None:
            self._live.refresh()
        elif self._output is Format.JSON:
            fields = {name: getattr(progress, name) for name in type(progress).__dataclass_fields__}
            write_json({"progress": as_json({**fields, "metrics": dict(progress.metrics)})}, file=sys.stderr)
        else:
            tell(escaped(_line(progress)))

    def _table(self, console: Console) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in _COLUMNS:
            numeric = column in ("round", "seconds", "sent", "received")
            table.add_column(
                column,
                justify="right" if numeric else "left",
                overflow="ellipsis",
                no_wrap=True,
                ratio=1 if column == "metrics" else None,
            )
        room = max(1, console.height - _BESIDE)
        for one in self._seen[-room:]:
            style = "yellow" if one.failed else ""
            table.add_row(*(Text(escaped(cell), style) for cell in _cells(one)))
        return Group(table, Text(escaped(self._state()), "bold"))

    def _state(self) -> str:
        lasted = f"{time.monotonic() - self._began:.0f} s"
        if not self._seen:
            return f"{self._title}: asking the nodes, {lasted}"
        last = self._seen[-1]
        traffic = f"{amount(last.sent)} sent, {amount(last.received)} received"
        return f"{self._title}: {count(last.nodes, 'node')}, {lasted}, {traffic}"


def _cells(one: Progress) -> tuple[str, ...]:
    return (
        str(one.round),
        one.phase,
        _clients(one),
        metrics_line(one.metrics),
        f"{one.phase_seconds:.2f}",
        amount(one.phase_sent),
        amount(one.phase_received),
    )


def _clients(one: Progress) -> str:
    if one.phase == "server":
        return "-"
    return f"{one.answered - one.failed} of {one.answered}" if one.failed else str(one.answered)


def _line(one: Progress) -> str:
    clients = "" if one.phase == "server" else f", {one.answered - one.failed} answered"
    failed = f", {one.failed} failed" if one.failed else ""
    metrics = metrics_line(one.metrics)
    return (
        f"round {one.round} {one.phase}{clients}{failed}{metrics and ', '}{metrics}, {one.phase_seconds:.2f} s, "
        f"{amount(one.phase_sent)} sent, {amount(one.phase_received)} received"
    )


def metrics_line(metrics: Mapping[str, Any]) -> str:
    """The first few numbers of a round, the loss first."""
    numbers = {
        name: value
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    names = sorted(numbers, key=lambda name: "loss" not in name)  # the rest as the app has them
    shown = [f"{name} {numbers[name]:.4g}" for name in names[:_SHOWN]]
    return "  ".join(shown) + (f"  and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
