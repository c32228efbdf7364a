"""The options that every command has, and those that several share."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = [
    "AddressOption",
    "AgentArgument",
    "AsOption",
    "AtLeastOption",
    "BundleArgument",
    "Format",
    "FormatOption",
    "HomeOption",
    "IdentityOption",
    "KeyRole",
    "MobilityChoice",
    "PassphraseFileOption",
    "StoreOption",
    "TimeoutOption",
    "wanted_format",
]


class Format(StrEnum):
    """How a command writes its data and its errors."""

    TEXT = "text"
    JSON = "json"


class KeyRole(StrEnum):
    """As `mobility.trust.Role`, which start-up must not import."""

    OWNER = "owner"
    PLACE = "place"


class MobilityChoice(StrEnum):
    """As `agents.terms.Accepts`, which start-up must not import."""

    STRONG = "strong"
    WEAK = "weak"
    EITHER = "either"


FormatOption: TypeAlias = Annotated[
    Format, typer.Option("--format", help="How to write data and errors: for people, or for programs.")
]
HomeOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="The folder with your keys and your trust store. By default $SOJOURN_HOME, else the platform's usual one.",
        show_default=False,
        file_okay=False,
    ),
]
StoreOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="Another trust store than the one in your home folder.",
        show_default=False,
        file_okay=False,
    ),
]
BundleArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", help="A bundle file.", show_default=False)]
AsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="PLACE",
        help="The place as which to receive it. Without this, only a bundle that is addressed to nobody is accepted.",
        show_default=False,
    ),
]
AtLeastOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--at-least", metavar="EPOCH", min=0, help="Refuse an earlier epoch of the agent.", show_default=False
    ),
]
IdentityOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--identity", metavar="NAME", help="Your key that opens a sealed bundle.", show_default=False),
]
PassphraseFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="Read the passphrase from the first line of this file ('-': from stdin). Else $SOJOURN_PASSPHRASE counts.",
        show_default=False,
        allow_dash=True,
    ),
]
AddressOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Head of the Ray cluster. By default $RAY_ADDRESS, else what `sojourn up` has started.",
        show_default=False,
    ),
]
TimeoutOption: TypeAlias = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.5, max=31_536_000, help="Give up after this time.")
]
AgentArgument: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="NAME", help="An agent's name, its id, or the beginning of that.", show_default=False),
]


def wanted_format(arguments: Sequence[str]) -> Format:
    """The format that a command line asks for, found before it is parsed: errors about it have that form too."""
    chosen = Format.TEXT
    for number, argument in enumerate(arguments):
        if argument == "--":
            break
        option, equals, value = argument.partition("=")
        if option == "--format":
            following = value if equals else next(iter(arguments[number + 1 : number + 2]), "")
            chosen = Format.JSON if following == Format.JSON else Format.TEXT
    return chosen
