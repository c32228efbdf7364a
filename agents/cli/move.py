"""``sojourn move``: have an agent go on elsewhere."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, AgentArgument, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, amount, write_json

__all__ = ["move"]

_SUFFIX: Final = "; it starts anew there"


def move(
    name: AgentArgument,
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Where it is to go on.", show_default=False)],
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Move an agent at its next yield, while it runs, waits or sleeps."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        handle = platform.get(name)
        report = handle.move(place, timeout=deadline.left())
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, **report})
    else:
        Screen().line(
            f"{handle.name} goes on on {report['to']}: {amount(report['bytes'])}, {report['ms']:.1f} ms, "
            f"frozen in {report['freeze_ms']:.1f} ms{_SUFFIX if report.get('mobility') == 'weak' else ''}"
        )
