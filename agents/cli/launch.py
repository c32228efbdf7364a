"""``sojourn launch``: start an agent from a file of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import (
    AddressOption,
    Format,
    FormatOption,
    HomeOption,
    MobilityChoice,
    PassphraseFileOption,
)
from agents.cli.screen import Screen, escaped, write_json

if TYPE_CHECKING:
    from agents.errors import MoveRefused
    from agents.handle import Handle
    from mobility.environment import Needs
    from mobility.trust import Identity
    from mobility.trust.itinerary import Itinerary

__all__ = ["launch"]


def launch(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE:FUNCTION", help="A function with @agent: survey.py:survey", show_default=False),
    ],
    args: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARGS]...",
            help="Its arguments after the place: JSON where they are JSON, else text.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="PLACE", help="Where it is born; else at any.", show_default=False),
    ] = None,
    via: Annotated[
        str | None,
        typer.Option(
            "--via",
            metavar="PLACES",
            help="Its itinerary: places in order (oslo,lima), each with alternatives (oslo,lima|baku).",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="By which it is found, until it has ended.", show_default=False),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="KEY", help="Your key that signs it; else the key owner.", show_default=False),
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
    mobility: Annotated[
        MobilityChoice,
        typer.Option("--mobility", help="Go on at its line, start anew at each place, or so only where it has to."),
    ] = MobilityChoice.STRONG,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="SIZE", help="How much it needs, such as 8GiB.", show_default=False),
    ] = None,
    process: Annotated[bool, typer.Option("--process", help="In a process of its own at each place.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end, and write its result.")] = False,
    passphrase_file: PassphraseFileOption = None,
    address: AddressOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.5,
            max=31_536_000,
            help="Give up after this time: by default 60, with --wait 3600. The agent goes on.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Start an agent at a place. Its code, and that of modules of yours beside it, travels with it."""
    from agents.cli.loading import arguments_of, load
    from agents.cli.moments import moment_of
    from agents.cli.reaching import Deadline, connected, progress
    from agents.cli.result import write_result
    from agents.errors import MoveRefused
    from mobility.trust.errors import ItineraryInvalid

    folder = HomeFolder.of(home)
    moment = moment_of(start_at, "--start-at") if start_at is not None else None
    itinerary = None if via is None else _itinerary(via)
    needs = _needs(memory)
    function = load(target)
    values = arguments_of(function, args or [])
    deadline = Deadline(timeout if timeout is not None else 3600.0 if wait else 60.0)
    with connected(
        folder, address, deadline, output, owner=lambda: folder.launching_key(owner, passphrase_file)
    ) as platform:
        try:
            handle = platform.launch(
                function,
                *values,
                at=at,
                name=name,
                itinerary=itinerary,
                mobility=mobility.value,
                needs=needs,
                process=process,
                start_at=moment,
                start_when=start_when,
                timeout=deadline.left(60.0),
            )
        except ItineraryInvalid:
            raise
        except ValueError as error:  # of the name
            hint = "--start-when" if start_when == "" else "--name"
            raise typer.BadParameter(str(error), param_hint=hint) from None
        except MoveRefused as error:
            _blame_here(error, folder, platform.client.owner)
            raise
        place = handle.place()
        if wait:
            progress(f"launched {escaped(handle.name)} ({handle.agent}); waiting for its result")
            write_result(handle, deadline, output)
            return
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "place": place})
    else:
        Screen().line(_launched(handle, place, start_at is not None or start_when is not None))


def _itinerary(text: str) -> Itinerary:
    """Stops in order, between commas; alternatives of one between bars."""
    from mobility.trust.errors import ItineraryInvalid
    from mobility.trust.itinerary import alternatives, ordered

    try:
        stops = [[name.strip() for name in stop.split("|")] for stop in text.split(",")]
        return ordered(*(names[0] if len(names) == 1 else alternatives(*names) for names in stops))
    except ItineraryInvalid as error:
        raise typer.BadParameter(error.reason, param_hint="--via") from None


def _needs(memory: str | None) -> Needs | None:
    from agents.declared import bytes_of
    from mobility.environment import Needs

    if memory is None:
        return None
    try:
        return Needs(memory=bytes_of(memory))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--memory") from None


def _launched(handle: Handle, place: str | None, waits: bool) -> str:
    called = handle.agent if handle.name == handle.agent else f"{handle.name} ({handle.agent})"
    if waits and place:
        return f"Launched {called}: it waits on {place} until it is to begin; see sojourn ps"
    return f"Launched {called}: {f'now on {place}' if place else 'it has ended already'}"


def _blame_here(error: MoveRefused, home: HomeFolder, owner: Identity | None) -> None:
    """The place knows the key of an owner that it does not trust; what that key is called is known here."""
    error.state = "Nothing was launched."
    if error.why == "untrusted-signer" and owner is not None:
        error.reason = f'{error.place} refused the bundle: signer "{owner.name}" is not trusted there'
        error.remedy = f"On {error.place} run:  sojourn key trust {home.public_file(owner.name).name}"
