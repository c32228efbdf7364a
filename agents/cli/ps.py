"""``sojourn ps``: which agents there are, where, and how they fare."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

__all__ = ["ps"]


def ps(
    everyone: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """List the agents, the youngest first."""
    from agents.cli._rows import AGENT_COLUMNS, agent_as_data, agent_row
    from agents.cli.reaching import Deadline, connected

    with connected(HomeFolder.of(home), address, Deadline(timeout), output) as platform:
        found = platform.agents(ended=everyone)
    if output is Format.JSON:
        write_json([agent_as_data(status) for status in found])
    elif found:
        Screen().table(AGENT_COLUMNS, [agent_row(status) for status in found])
    else:
        Screen().line("no agents" if everyone else "no agents; those that have ended: sojourn ps --all")
