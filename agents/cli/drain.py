"""``sojourn drain``: empty a place whose node is about to go."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, escaped, write_json

if TYPE_CHECKING:
    from agents.cli.reaching import Deadline
    from agents.draining import Drained
    from agents.platform import Platform

__all__ = ["drain"]


def drain(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Which one.", show_default=False)],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PLACES", help="To which places (oslo,lima); else to all.", show_default=False),
    ] = None,
    freeze: Annotated[
        Path | None,
        typer.Option(
            "--freeze",
            metavar="FOLDER",
            help="Put agents that can go nowhere into files here.",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    address: AddressOption = None,
    timeout: TimeoutOption = 60.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Let nobody in at a place any more, and move its agents to others, each at its next yield."""
    from agents.cli.reaching import Deadline, connected

    deadline = Deadline(timeout)
    targets = None if to is None else [name.strip() for name in to.split(",") if name.strip()]
    if targets == []:
        raise typer.BadParameter("it names no place", param_hint="--to")
    with connected(HomeFolder.of(home), address, deadline, output) as platform:
        report = platform.drain(place, targets, timeout=max(0.5, deadline.left() - (5.0 if freeze else 0.0)))
        files = _frozen(platform, report, freeze, deadline) if freeze is not None else {}
    left = [one for one in report.stayed if one.agent not in files]
    if output is Format.JSON:
        rows = [{**asdict(one), "file": files.get(one.agent)} for one in report.agents]
        write_json({"place": place, "agents": rows, "stayed": len(left), "seconds": round(report.seconds, 3)})
    else:
        _show(report, files)
    if left:
        raise typer.Exit(1)


def _frozen(platform: Platform, report: Drained, folder: Path, deadline: Deadline) -> dict[str, str]:
    """By id: the file of each agent that could be frozen."""
    from mobility.errors import MobilityError

    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for one in report.stayed:
        file = folder / f"{one.agent}.sojourn"
        try:
            platform.get(one.agent).freeze(file, timeout=max(0.5, deadline.left()))
        except MobilityError:
            continue  # it is listed among those that stay
        files[one.agent] = str(file)
    return files


def _show(report: Drained, files: dict[str, str]) -> None:
    screen = Screen()
    for one in report.agents:
        name = escaped(one.name)
        if one.to is not None:
            screen.line(f"{name} goes on on {one.to}: {one.ms:.1f} ms" if one.to else f"{name} has left by itself")
        elif one.agent in files:
            screen.line(f"{name} is frozen: {files[one.agent]}")
        else:
            screen.line(f"{name} stays: {escaped(one.problem)} ({one.why})", "yellow")
    gone = len(report.agents) - sum(one.agent not in files for one in report.stayed)
    screen.line(f"{report.place} lets nobody in; {gone} of {len(report.agents)} agents have left")
    screen.line(f"Let agents in again: sojourn reopen {report.place}")
