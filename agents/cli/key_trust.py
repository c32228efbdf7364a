"""``sojourn key trust``: decide that a key may sign."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.home import HomeFolder, public_key_at
from agents.cli.options import Format, FormatOption, HomeOption, KeyRole, StoreOption
from agents.cli.screen import Screen, moment, write_json

__all__ = ["key_trust"]


def key_trust(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A public key file (.pub).", show_default=False)],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it here; else what it calls itself.", show_default=False)
    ] = None,
    role: Annotated[
        list[KeyRole] | None,
        typer.Option("--role", help="In which role it may sign; else its own. May be given twice.", show_default=False),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DATE", help="Last day, or moment, of its validity (UTC).", show_default=False),
    ] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="It succeeds the trusted key of the same name.")] = False,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Trust a public key. First compare its id with its holder, by another way than the file came by."""
    period = {} if until is None else {"not_after": _moment(until)}
    place = HomeFolder.of(home, store)
    public = public_key_at(file)
    trusted = place.store()
    try:
        entry = trusted.trust(
            public,
            name=name,
            roles=tuple(one.value for one in role) if role else None,
            rotate=rotate,
            **period,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--name") from None
    version = trusted.version
    if output is Format.JSON:
        write_json(
            {
                "name": entry.name,
                "roles": [one.value for one in entry.roles],
                "key_id": entry.key_id,
                "not_after": entry.not_after,
                "store": str(place.trust_folder),
                "store_version": version,
            }
        )
        return
    screen = Screen()
    screen.line(f"Trusted: {' and '.join(entry.roles)}:{entry.name}  {entry.key_id}")
    screen.pairs(
        [
            ("valid until", "always" if until is None else moment(entry.not_after)),
            ("in", f"{place.trust_folder}, version {version}"),
        ]
    )


def _moment(text: str) -> int:
    """The last second that a date, or a date with a time, stands for."""
    try:
        if len(text) <= len("2030-12-31"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            last = day + timedelta(days=1, seconds=-1)
        else:
            last = datetime.fromisoformat(text)
            last = last if last.tzinfo else last.replace(tzinfo=UTC)
        seconds = int(last.timestamp())
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no date like 2030-12-31 ({error})", param_hint="--until") from None
    if seconds <= time.time():
        raise typer.BadParameter(f"{moment(seconds)} is past", param_hint="--until")
    return seconds
