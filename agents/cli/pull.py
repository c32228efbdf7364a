"""``sojourn pull``: have a place get a published unit, and start it there."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

__all__ = ["pull_unit"]


def pull_unit(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Which place is to start it.", show_default=False)],
    unit: Annotated[
        str, typer.Argument(metavar="NAME", help="The name under which it is published.", show_default=False)
    ],
    args: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARGS]...",
            help="Its arguments after the place: JSON where they are JSON, else text.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PLACE", help="From whose repository; else whichever has it.", show_default=False
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="Else the newest.", show_default=False)
    ] = None,
    fragment: Annotated[
        str | None,
        typer.Option(
            "--fragment",
            metavar="SERVICE",
            help="Do not run it: make it this service of the place.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --fragment: instead of an earlier fragment of the same owner.")
    ] = False,
    called: Annotated[
        str | None,
        typer.Option("--name", help="By which the agent is found, until it has ended.", show_default=False),
    ] = None,
    start_at: Annotated[
        str | None,
        typer.Option(
            "--start-at",
            metavar="TIME|+SECONDS",
            help="It begins then: +90, 2026-11-26T18:00 (local), 2026-11-26T18:00Z, or a Unix time.",
            show_default=False,
        ),
    ] = None,
    start_when: Annotated[
        str | None,
        typer.Option(
            "--start-when",
            metavar="RESOURCE",
            help="It begins when this resource of its place is true, or returns true.",
            show_default=False,
        ),
    ] = None,
    process: Annotated[bool, typer.Option("--process", help="In a process of its own.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end, and write its result.")] = False,
    address: AddressOption = None,
    timeout: TimeoutOption = 60.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Have a place get a published unit from the repository of another one, and start it at itself."""
    from agents.cli.loading import values_of
    from agents.cli.moments import moment_of
    from agents.cli.reaching import Deadline, connected
    from agents.cli.result import write_result

    moment = moment_of(start_at, "--start-at") if start_at is not None else None
    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        try:
            handle = platform.pull(
                place,
                unit,
                *values_of(args or []),
                version=version,
                from_=source,
                called=called,
                process=process,
                fragment=fragment,
                replace=replace,
                start_at=moment,
                start_when=start_when,
                timeout=deadline.left(),
            )
        except ValueError as error:  # of a name
            hint = "--start-when" if start_when == "" else "--name, --fragment"
            raise typer.BadParameter(str(error), param_hint=hint) from None
        if wait:
            write_result(handle, deadline, output)
            return
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "place": place})
    else:
        Screen().line(f"{place} has pulled {unit}: {handle.agent}")
