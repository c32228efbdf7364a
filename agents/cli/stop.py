"""``sojourn stop``: end an agent."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, AgentArgument, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

__all__ = ["stop"]

ForceOption = Annotated[bool, typer.Option("--force", help="At once, whatever it does, without its finally blocks.")]


def stop(
    name: AgentArgument,
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    force: ForceOption = False,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """End an agent at its next yield. Its finally blocks run; it has no result. With --force: at once."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        handle = platform.get(name)
        handle.stop(timeout=deadline.left(), force=force)
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "stopped": True})
    else:
        Screen().line(f"{handle.name} is stopped")
