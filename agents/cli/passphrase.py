"""Where a passphrase comes from: a file, the environment, a person; never the command line, which others can read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import typer

__all__ = ["VARIABLE", "known_passphrase", "new_passphrase"]

#: The environment variable.
VARIABLE: Final = "SOJOURN_PASSPHRASE"
_MOST: Final = 64 * 1024


def new_passphrase(asked_for: bool, file: Path | None) -> str | None:
    """The passphrase for a new key; None if nobody wants one.

    A file or the variable count without being asked for: whoever sets one up does not expect an open key.
    """
    given = _given(file)
    if given is not None or not asked_for:
        return given
    _require_person()
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))


def known_passphrase(file: Path | None, key_file: Path) -> str:
    """The passphrase of a key that has one."""
    given = _given(file)
    if given is not None:
        return given
    _require_person()
    return str(typer.prompt(f"Passphrase of {key_file.stem}", hide_input=True, err=True))


def _given(file: Path | None) -> str | None:
    if file is not None:
        line = _first_line(file)
        if not line:
            raise typer.BadParameter(f"the first line of {file} is empty", param_hint="--passphrase-file")
        return line
    text = os.environ.get(VARIABLE)
    if text == "":
        raise typer.BadParameter(f"{VARIABLE} is set and empty: unset it, or give it a passphrase")
    return text


def _first_line(file: Path) -> str:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.readline(_MOST)
        else:
            from agents.cli.home import existing_file

            with open(existing_file(file), "rb") as opened:
                data = opened.readline(_MOST)
        return data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is no text in UTF-8", param_hint="--passphrase-file") from None


def _require_person() -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"nobody can be asked for the passphrase here: set {VARIABLE}, or use --passphrase-file FILE"
        )
