"""``sojourn places``: where agents can be, and how these places fare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

if TYPE_CHECKING:
    from agents.cli.reaching import Deadline
    from agents.platform import Platform

__all__ = ["places"]


def places(
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            help="Write each place's public key to this folder: to verify, or to thaw elsewhere, what it has signed.",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """List the places: host, process, Python, resources, how many agents are there."""
    from agents.cli._rows import PLACE_COLUMNS, place_as_data, place_row
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        found = platform.places(details=True)
        written = _write_keys(platform, keys, deadline) if keys is not None else {}
    if output is Format.JSON:
        write_json([{**place_as_data(place), **_key(written, place.name)} for place in found])
        return
    screen = Screen()
    screen.table(PLACE_COLUMNS, [place_row(place) for place in found])
    for file in written.values():
        screen.line(f"Written: {file}")


def _key(written: dict[str, str], place: str) -> dict[str, Any]:
    return {"key_file": written[place]} if place in written else {}


def _write_keys(platform: Platform, folder: Path, deadline: Deadline) -> dict[str, str]:
    found = platform.keys(timeout=deadline.left(10.0))
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for place, key in found.items():
        file = folder / f"{place}.pub"
        file.write_bytes(key.to_bytes())
        written[place] = str(file)
    return written
