"""``--run-config``: settings of an app in Flower's own spelling, ``'rounds=3 strategy="FedAvg"'``, or a TOML file.

Where ``flwr run`` would pass over what it does not understand, this refuses it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer

from agents.cli.home import existing_file

__all__ = ["settings_of"]

_OPTION: Final = "--run-config"
_PAIR: Final = re.compile(r"""\s*([A-Za-z0-9_.-]+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']+)(?=\s|$)""")


def settings_of(given: Sequence[str]) -> dict[str, Any]:
    """The settings of all options together, by their names with dots; the last one of a name counts.

    Raises
    ------
    typer.BadParameter, FileMissing, FileUnusable
    """
    from federated.appconfig import flattened
    from federated.apperrors import AppInvalid

    settings: dict[str, Any] = {}
    for one in given:
        found = _of_file(Path(one)) if one.endswith(".toml") and "=" not in one else _of_line(one)
        try:
            settings |= flattened(found)
        except AppInvalid as error:
            raise typer.BadParameter(error.reason, param_hint=_OPTION) from None
    return settings


def _of_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(existing_file(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is no TOML: {error}", param_hint=_OPTION) from None


def _of_line(line: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    position = 0
    while line[position:].strip():
        pair = _PAIR.match(line, position)
        if pair is None:
            raise _unreadable(line[position:].strip(), "it is no key=value")
        try:
            (value,) = tomllib.loads(f"value = {pair[2]}").values()
        except tomllib.TOMLDecodeError:
            raise _unreadable(pair[0].strip(), "the value is no number, truth value or text in quotes") from None
        found[pair[1]] = value
        position = pair.end()
    return found


def _unreadable(piece: str, problem: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"{piece[:80]!r}: {problem}; write it as in 'rounds=3 strategy=\"FedAvg\"', or name a .toml file",
        param_hint=_OPTION,
    )
