"""``sojourn demo``: the main job, to be watched."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from agents.cli.options import Format, FormatOption

__all__ = ["demo"]


def demo(
    rounds: Annotated[
        int | None, typer.Option("--rounds", metavar="N", min=1, max=80, help="Steps of training.", show_default=False)
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            help="A cluster whose places offer the patients; else nodes are started for it, and ended again.",
            show_default=False,
        ),
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Watch a surveyor travel between three hospitals, and compare what it brings back."""
    from agents.cli.reaching import quiet

    given = ["--format", output.value]
    given += ["--address", address] if address is not None else []
    given += ["--rounds", str(rounds)] if rounds is not None else []
    try:
        with quiet():
            code = importlib.import_module("agents.demo").demonstrate(given)
    except ModuleNotFoundError as error:
        from agents.cli.platform_errors import DemoMissing

        raise DemoMissing(f"there is no module {error.name}") from None
    raise typer.Exit(int(code or 0))
