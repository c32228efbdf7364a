"""``sojourn call``: call a service of a place."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import escaped_lines, write_json

__all__ = ["call_command"]


def call_command(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Which place.", show_default=False)],
    service: Annotated[
        str, typer.Argument(metavar="SERVICE", help="One of its services; see: sojourn places", show_default=False)
    ],
    args: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARGS]...", help="Its arguments: JSON where they are JSON, else text.", show_default=False
        ),
    ] = None,
    address: AddressOption = None,
    timeout: TimeoutOption = 60.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Call a service of a place, once, and write what it returned."""
    from agents.cli.jsonable import as_json, brief_repr
    from agents.cli.loading import values_of
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        try:
            value = platform.call(place, service, *values_of(args or []), timeout=deadline.left())
        except Exception as error:
            _blame(place, service, error)
            raise
    if output is Format.JSON:
        write_json({"place": place, "service": service, "result": as_json(value)})
    elif value is not None:
        print(escaped_lines(brief_repr(value)), flush=True)


def _blame(place: str, service: str, error: Exception) -> None:
    """What the service itself raised becomes an error of the tree, with its traceback at the place."""
    from agents.errors import ServiceFailed
    from agents.told import RemoteTrace
    from mobility.errors import MobilityError

    cause: Any = error.__cause__
    if not isinstance(cause, RemoteTrace) or isinstance(error, MobilityError):
        return
    kind = type(error)
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = str(error).split("\n", 1)[0][:500]
    raise ServiceFailed(place, service, named, text, cause.trace.rstrip()) from None
