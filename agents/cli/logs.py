"""``sojourn logs``: what happened, and what happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption
from agents.cli.screen import Screen, write_json

if TYPE_CHECKING:
    from agents.cli.reaching import Deadline
    from agents.eventlog import LogEvent
    from agents.platform import Platform

__all__ = ["logs"]


def logs(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="An agent's name or id; else all.", show_default=False),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens: until the agent has ended, or Ctrl-C.")
    ] = False,
    last: Annotated[int, typer.Option("--last", metavar="N", min=0, max=100_000, help="So many of the past.")] = 100,
    address: AddressOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.5,
            max=31_536_000,
            help="Give up after this time: by default 30, with --follow 3600.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Show what happened to an agent, or to all: births, moves, what they printed, ends."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout if timeout is not None else 3600.0 if follow else 30.0)
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        agent = platform.get(name).agent if name is not None else None
        writer = _Writer(platform, output, of_one=agent is not None)
        past = platform.client.events(agent=agent, last=last) if last else []
        # Places write a moment later than they act: what is read by people is put in the order of its times.
        for event in past if output is Format.JSON else sorted(past, key=lambda event: event.time):
            writer.write(event)
        if follow:
            with suppress(KeyboardInterrupt):  # this is how one ends it
                _follow(platform, agent, name or "", past, deadline, writer)


def _follow(
    platform: Platform, agent: str | None, name: str, past: list[LogEvent], deadline: Deadline, writer: _Writer
) -> None:
    if agent is not None and _is_over(platform, agent):
        return
    after = past[-1].number if past else _newest(platform)
    for event in _new(platform, agent, after or 0, deadline):
        writer.write(event)
        if agent is not None and event.kind.value in ("ended", "failed", "frozen") and _is_over(platform, agent):
            return
    if agent is not None:
        from agents.errors import WaitedTooLong

        raise WaitedTooLong(f"the end of {name}", deadline.seconds, state="It goes on.", remedy="Follow it again.")


def _new(platform: Platform, agent: str | None, after: int, deadline: Deadline) -> Iterator[LogEvent]:
    return platform.client.follow(agent=agent, after=after, seconds=deadline.left())


def _newest(platform: Platform) -> int:
    events = platform.client.events(last=1)
    return (events[-1].number or 0) if events else 0


def _is_over(platform: Platform, agent: str) -> bool:
    from agents.handoff import Status

    return platform.client.find(agent).row.status is not Status.HELD


class _Writer:
    """Writes events; asks for the name of an agent once."""

    def __init__(self, platform: Platform, output: Format, *, of_one: bool) -> None:
        self._platform = platform
        self._json = output is Format.JSON
        self._of_one = of_one
        self._names: dict[str, str] = {}
        self._screen = Screen()

    def write(self, event: LogEvent) -> None:
        from agents.cli._rows import event_as_data, event_line

        if event.agent is not None and event.agent not in self._names:
            self._names[event.agent] = self._name(event.agent)
        if self._json:
            write_json(event_as_data(event, self._names))
        else:
            self._screen.line(event_line(event, self._names, of_one=self._of_one))

    def _name(self, agent: str) -> str:
        from agents.errors import UnknownAgent

        try:
            info: Any = self._platform.client.find(agent).info
        except UnknownAgent:  # long gone
            return agent
        return info.name or agent if info is not None else agent
