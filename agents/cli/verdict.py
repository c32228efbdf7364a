"""``sojourn verdict``: what a place could do for an agent; nothing moves."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, AgentArgument, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, escaped, write_json

__all__ = ["ask_verdict"]


def ask_verdict(
    name: AgentArgument,
    place: Annotated[str, typer.Argument(metavar="PLACE", help="The place that is asked.", show_default=False)],
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Ask whether a place could take an agent over: strong, weak or refuse, and why. Nothing moves."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        handle = platform.get(name)
        decided = platform.verdict(handle, place, timeout=deadline.left())
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "place": place, **decided.as_data()})
    else:
        for line in str(decided).split("\n"):
            Screen().line(escaped(line))
