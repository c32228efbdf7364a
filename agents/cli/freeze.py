"""``sojourn freeze``: put an agent into a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, AgentArgument, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, amount, write_json

__all__ = ["freeze", "require_room"]


def freeze(
    name: AgentArgument,
    file: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle file to write.", show_default=False)
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one.")] = False,
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Put an agent into a file, at its next yield. It runs nowhere until it is thawed."""
    from agents.cli.reaching import Deadline, connected

    require_room(file, force)
    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        handle = platform.get(name)
        handle.freeze(file, timeout=deadline.left())
    size = file.stat().st_size
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "file": str(file), "bytes": size})
    else:
        screen = Screen()
        screen.line(f"{handle.name} is frozen: {file}, {amount(size)}")
        screen.line(f"It goes on with: sojourn thaw {file}; whom to trust to verify it: sojourn places --keys FOLDER")


def require_room(file: Path, force: bool) -> None:
    """Found out before the agent is asked: it should not stop for a file that cannot be written."""
    from agents.cli.errors import FileUnusable
    from agents.cli.platform_errors import FileThere

    if file.is_dir():
        raise FileUnusable(file, "it is a folder")
    if file.exists() and not force:
        raise FileThere(file)
    folder = file.absolute().parent
    if not folder.is_dir():
        raise FileUnusable(file, f"there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise FileUnusable(file, f"nothing may be written to {folder}")
