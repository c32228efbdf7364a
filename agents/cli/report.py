"""``sojourn report``: what is to be seen of a platform, as one page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, StoreOption, TimeoutOption
from agents.cli.screen import Screen, count, write_json

if TYPE_CHECKING:
    from agents.views.report import PlatformReport

__all__ = ["write_report"]


def write_report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The page to write, .html.", show_default=False)],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Agents to tell of; else the youngest 50.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one.")] = False,
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Write places, agents, their moves, hop chains and logs into one page that needs no network."""
    from agents.cli.errors import FileUnusable
    from agents.cli.freeze import require_room
    from agents.cli.reaching import Deadline, connected
    from agents.views.report import report_of
    from mobility.trust._files import write_pieces_atomically

    require_room(file, force)
    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home, store), address, deadline, output) as platform:
        report = report_of(platform, names or (), seconds=deadline.left() * 0.8)
    try:
        write_pieces_atomically(file, [report.html().encode()], mode=0o600, replace=force)
    except OSError as error:
        raise FileUnusable(file, error.strerror or str(error)) from error
    if output is Format.JSON:
        write_json({"file": str(file), **_as_data(report)})
        return
    screen = Screen()
    places, agents = count(len(report.look.places), "place"), count(len(report.agents), "agent")
    screen.line(f"{file}: {places}, {agents}, {count(len(report.warnings), 'warning')}")
    for warning in report.warnings:
        screen.line(f"  {warning}")


def _as_data(report: PlatformReport) -> dict[str, Any]:
    from agents.cli._rows import agent_as_data, event_as_data, place_as_data
    from agents.cli.trail import trail_as_data

    names = {status.agent: status.name for status in report.look.agents}
    return {
        "time": report.look.time,
        "warnings": list(report.warnings),
        "places": [place_as_data(place) for place in report.look.places],
        "agents": [agent_as_data(status) for status in report.look.agents],
        "reports": [
            {
                "name": one.name,
                "problem": one.problem or None,
                "trail": None if one.trail is None else trail_as_data(one.trail),
                "log": [event_as_data(event, names) for event in one.events],
            }
            for one in report.agents
        ],
    }
