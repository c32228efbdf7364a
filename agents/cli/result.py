"""``sojourn result``: what an agent has returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, AgentArgument, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import escaped, escaped_lines, write_json

if TYPE_CHECKING:
    from agents.cli.reaching import Deadline
    from agents.handle import Handle

__all__ = ["result", "write_result"]


def result(
    name: AgentArgument,
    address: AddressOption = None,
    timeout: TimeoutOption = 3600.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Wait for the end of an agent, and write what it returned."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        write_result(platform.get(name), deadline, output)


def write_result(handle: Handle, deadline: Deadline, output: Format) -> None:
    """Wait for the end of an agent, and write what it returned; what it raised is an error of the tree.

    Raises
    ------
    AgentFailed, AgentStopped, AgentLost, AgentFrozen, WaitedTooLong, ResultNotPlain
    """
    from agents.cli.jsonable import as_json, brief_repr
    from agents.cli.reaching import progress

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
    from agents.told import RemoteTrace

    if not isinstance(error.__cause__, RemoteTrace) or isinstance(error, AgentFailed):
        return
    kind = type(error)
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    been = next((note.rpartition(": ")[2] for note in getattr(error, "__notes__", ())), "")
    places = been.split(" -> ") if been else []
    text = str(getattr(error, "reason", error)).split("\n", 1)[0][:500]
    raise AgentFailed(handle.name, named, text, error.__cause__.trace.rstrip(), places) from None
