"""``sojourn publish``: put a function or class into the code repository of a place."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import (
    AddressOption,
    Format,
    FormatOption,
    HomeOption,
    PassphraseFileOption,
    TimeoutOption,
)
from agents.cli.screen import Screen, write_json

__all__ = ["publish_unit"]


def publish_unit(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE:FUNCTION", help="A function or class: scores.py:score", show_default=False),
    ],
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Its name there; else that of the function.", show_default=False),
    ] = None,
    version: Annotated[
        str, typer.Option("--version", metavar="VERSION", help="Other code needs another one (PEP 440).")
    ] = "1.0",
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="PLACE", help="In which place; else the first by name.", show_default=False),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="KEY", help="Your key that signs it; else the key owner.", show_default=False),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    address: AddressOption = None,
    timeout: TimeoutOption = 60.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Publish code in the repository of a place, signed by you: agents and programs fetch it from there."""
    from agents.cli.loading import load_unit
    from agents.cli.reaching import Deadline, connected

    folder = HomeFolder.of(home)
    unit = load_unit(target)
    called = name if name is not None else getattr(unit, "__name__", "")
    deadline = Deadline(timeout)
    with connected(
        folder, address, deadline, output, owner=lambda: folder.launching_key(owner, passphrase_file)
    ) as platform:
        told = platform.publish(unit, called, version=version, at=at, timeout=deadline.left())
    if output is Format.JSON:
        write_json({"name": told.name, "version": told.version, "digest": told.digest, "place": told.place})
    else:
        Screen().line(f"Published {told.name} {told.version} on {told.place}: {told.digest[:16]}")
