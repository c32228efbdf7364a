"""``sojourn top``: places and agents, again and again."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, escaped, moment, write_json

if TYPE_CHECKING:
    from agents.cli.reaching import Deadline
    from agents.eventlog import LogEvent
    from agents.platform import PlaceInfo, Platform
    from agents.status import AgentStatus

__all__ = ["top"]

_MOST: Final = 30  # agents on the screen
_LAST: Final = 5  # moves on the screen


def top(
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.2, max=3600, help="How often.")] = 2.0,
    address: AddressOption = None,
    timeout: TimeoutOption = 86_400.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Show places, agents and the latest moves until Ctrl-C; once, where the output is piped or JSON."""
    from agents.cli.reaching import Deadline, connected

    watched = output is Format.TEXT and sys.stdout.isatty()
    deadline = Deadline(timeout if watched else min(timeout, 30.0))
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        if watched:
            with suppress(KeyboardInterrupt):  # this is how one ends it
                _watch(platform, every, deadline)
            return
        found = _look(platform)
    if output is Format.JSON:
        _as_json(found)
    else:
        _show(found)


def _look(platform: Platform) -> tuple[list[PlaceInfo], list[AgentStatus], list[LogEvent]]:
    from agents.eventlog import EventKind

    arrived = platform.client.events(kinds=(EventKind.ARRIVED,), last=_LAST)
    return platform.places(details=True), platform.agents(), arrived


def _as_json(found: tuple[list[PlaceInfo], list[AgentStatus], list[LogEvent]]) -> None:
    from agents.cli._rows import agent_as_data, event_as_data, place_as_data

    places, agents, moves = found
    names = {status.agent: status.name for status in agents}
    write_json(
        {
            "time": time.time(),
            "places": [place_as_data(place) for place in places],
            "agents": [agent_as_data(status) for status in agents],
            "moves": [event_as_data(event, names) for event in moves],
        }
    )


def _show(found: tuple[list[PlaceInfo], list[AgentStatus], list[LogEvent]]) -> None:
    from agents.cli._rows import AGENT_COLUMNS, PLACE_COLUMNS, agent_row, event_line, place_row

    places, agents, moves = found
    names = {status.agent: status.name for status in agents}
    screen = Screen()
    screen.table(PLACE_COLUMNS, [place_row(place) for place in places])
    screen.heading(_counted(agents))
    if agents:
        screen.table(AGENT_COLUMNS, [agent_row(status) for status in agents[:_MOST]])
    if moves:
        screen.heading("Latest moves")
        for event in moves:
            screen.line(event_line(event, names, of_one=False))


def _counted(agents: list[AgentStatus]) -> str:
    states = sorted({status.state for status in agents})
    each = ", ".join(f"{sum(status.state == state for status in agents)} {state}" for state in states)
    shown = f"; the youngest {_MOST}" if len(agents) > _MOST else ""
    return f"{len(agents)} agent{'' if len(agents) == 1 else 's'}{f': {each}' if each else ''}{shown}"


def _watch(platform: Platform, every: float, deadline: Deadline) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    end = time.monotonic() + deadline.left()
    with Live(console=console, screen=True, auto_refresh=False, transient=False) as live:
        while time.monotonic() < end:
            live.update(_rendered(_look(platform)), refresh=True)
            time.sleep(min(every, max(0.0, end - time.monotonic())))


def _rendered(found: tuple[list[PlaceInfo], list[AgentStatus], list[LogEvent]]) -> Any:
    from rich.console import Group
    from rich.text import Text

    from agents.cli._rows import AGENT_COLUMNS, PLACE_COLUMNS, agent_row, event_line, place_row

    places, agents, moves = found
    names = {status.agent: status.name for status in agents}
    parts: list[Any] = [Text(f"sojourn top  {moment(time.time())}  (Ctrl-C ends it)", "bold")]
    parts.append(_table(PLACE_COLUMNS, [place_row(place) for place in places]))
    parts.append(Text(_counted(agents), "bold"))
    parts.append(_table(AGENT_COLUMNS, [agent_row(status) for status in agents[:_MOST]]))
    parts += [Text(escaped(event_line(event, names, of_one=False))) for event in moves]
    return Group(*parts)


def _table(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(escaped(cell)) for cell in row))
    return table
