"""``sojourn thaw``: let an agent that lies in a file go on."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder, existing_file
from agents.cli.options import AddressOption, BundleArgument, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

__all__ = ["thaw"]


def thaw(
    file: BundleArgument,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="PLACE", help="Where it is to go on; else at any place.", show_default=False),
    ] = None,
    address: AddressOption = None,
    timeout: TimeoutOption = 60.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let a frozen agent go on at a place: also one that was frozen in another cluster. The file stays."""
    from agents.cli.reaching import Deadline, connected
    from agents.errors import MoveRefused
    from mobility.bundle import Bundle

    bundle = Bundle.read(existing_file(file))
    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        try:
            handle = platform.thaw(bundle, at=at, timeout=deadline.left())
        except MoveRefused as error:
            error.state = "The agent lies in its file as before."
            raise
        place = handle.place()
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "place": place})
    else:
        Screen().line(f"{handle.name} {f'goes on on {place}' if place else 'has gone on, and has ended by now'}")
