"""``sojourn launch``: start an agent from a file of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import (
    AddressOption,
    Format,
    FormatOption,
    HomeOption,
    PassphraseFileOption,
)
from agents.cli.screen import Screen, escaped, escaped_lines, write_json

if TYPE_CHECKING:
    from agents.cli.reaching import Deadline
    from agents.handle import Handle
    from mobility.trust import Identity

__all__ = ["launch"]


def launch(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE:FUNCTION", help="A function with @agent, as survey.py:survey.", show_default=False
        ),
    ],
    args: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARGS]...",
            help="Its arguments after the place: JSON where they are JSON, else text. Several for one parameter are one list.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="PLACE", help="Where it is born; else at any place.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="By which it is found; free again when it has ended.", show_default=False),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="KEY", help="Your key that signs it; else the key owner.", show_default=False),
    ] = None,
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
    from agents.cli.reaching import Deadline, connected

    folder = HomeFolder.of(home)
    function = load(target)
    values = arguments_of(function, args or [])
    deadline = Deadline(timeout if timeout is not None else 3600.0 if wait else 60.0)
    with connected(folder, address, deadline, output, owner=lambda: _key(folder, owner, passphrase_file)) as platform:
        try:
            handle = platform.launch(function, *values, at=at, name=name, timeout=deadline.left(60.0))
        except ValueError as error:  # of the name
            raise typer.BadParameter(str(error), param_hint="--name") from None
        place = handle.place()
        if wait:
            _wait(handle, deadline, output)
            return
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "place": place})
    else:
        Screen().line(_launched(handle, place))


def _launched(handle: Handle, place: str | None) -> str:
    called = handle.agent if handle.name == handle.agent else f"{handle.name} ({handle.agent})"
    return f"Launched {called}: {f'now on {place}' if place else 'it has ended already'}"


def _key(home: HomeFolder, name: str | None, passphrase_file: Any) -> Identity:
    from agents.owning import OWNER, own_identity

    if name is None and not home.key_file(OWNER).is_file():
        return own_identity(home.folder)
    return home.identity(OWNER if name is None else name, passphrase_file)


def _wait(handle: Handle, deadline: Deadline, output: Format) -> None:
    from agents.cli.jsonable import as_json, brief_repr
    from agents.cli.reaching import progress

    progress(f"launched {escaped(handle.name)} ({handle.agent}); waiting for its result")
    try:
        result = handle.result(timeout=deadline.left())
    except KeyboardInterrupt:
        progress(f"{escaped(handle.name)} goes on; look with: sojourn ps, end it with: sojourn stop {handle.agent}")
        raise
    except Exception as error:
        _blame(handle, error)
        raise
    if output is Format.JSON:
        write_json({"agent": handle.agent, "name": handle.name, "result": as_json(result)})
    elif result is not None:
        print(escaped_lines(brief_repr(result)), flush=True)


def _blame(handle: Handle, error: Exception) -> None:
    """What the agent itself raised becomes an error of the tree, with its traceback at the place."""
    from agents.errors import AgentFailed
    from agents.place.outcomes import RemoteTrace

    if not isinstance(error.__cause__, RemoteTrace) or isinstance(error, AgentFailed):
        return
    kind = type(error)
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    been = next((note.rpartition(": ")[2] for note in getattr(error, "__notes__", ())), "")
    places = been.split(" -> ") if been else []
    text = str(error).split("\n", 1)[0][:500]
    raise AgentFailed(handle.name, named, text, error.__cause__.trace.rstrip(), places) from None
