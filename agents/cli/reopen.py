"""``sojourn reopen``: let agents in again at a place that was drained."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

__all__ = ["reopen"]


def reopen(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Which one.", show_default=False)],
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let agents in again at a place that was drained, or whose node was to be taken away and stays."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        platform.reopen(place, timeout=deadline.left())
    if output is Format.JSON:
        write_json({"place": place, "draining": False})
    else:
        Screen().line(f"{place} lets agents in again")
