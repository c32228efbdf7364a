"""``sojourn clone``: a second agent in the state of the first."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, AgentArgument, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

__all__ = ["clone_agent"]


def clone_agent(
    name: AgentArgument,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PLACE", help="Where it begins; else where the agent is.", show_default=False),
    ] = None,
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Set a second agent into the state of this one, at its next yield. Both go on."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        handle = platform.get(name)
        place = to if to is not None else handle.place()
        child = handle.clone(place, timeout=deadline.left())
    if output is Format.JSON:
        write_json({"agent": child.agent, "parent": handle.agent, "place": place})
    else:
        Screen().line(f"{child.agent} goes on on {place}, as a clone of {handle.name}")
