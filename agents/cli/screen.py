"""What a person reads: text in which nothing is left that could steer a terminal; tables where there is a terminal.

Names, source lines and previews come out of files that anybody may have written, so all text passes through here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Screen", "amount", "count", "escaped", "escaped_lines", "moment", "write_json"]


def escaped(text: object) -> str:
    """One line of text with every character made visible that is not: controls, line ends, direction marks.

    A terminal takes orders by control characters (ECMA-48), and Unicode's format characters show text in another
    order than it has (Boucher, Anderson 2021, "Trojan Source").
    """
    line = str(text)
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else _visible(character) for character in line)


def _visible(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def escaped_lines(text: object) -> str:
    """The same for text of several lines, whose line feeds and tabs are meant."""
    return "\n".join(escaped(line.expandtabs(8)) for line in str(text).split("\n"))


def amount(size: int) -> str:
    """A number of bytes for people; a help text needs none, and would wait for what is imported here."""
    from mobility.display.sheet import size_text

    return size_text(size)


def count(number: int, what: str) -> str:
    """A number of things: ``1 hop``, ``2 hops``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def moment(seconds: int | float) -> str:
    """A Unix time for people."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def write_json(value: Any, *, file: Any = None) -> None:
    """One line of JSON, in ASCII: control characters are escaped by that."""
    print(json.dumps(value, ensure_ascii=True, allow_nan=False), file=sys.stdout if file is None else file, flush=True)


class Screen:
    """Writes text on stdout: with rich on a terminal, plain where it is piped."""

    def __init__(self) -> None:
        self._console: Console | None = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def line(self, text: object = "", style: str = "") -> None:
        """A line; `style` is rich's, and counts on terminals only."""
        if self._console is None:
            print(escaped(text))
        else:
            self._console.print(escaped(text), style=style or None)

    def heading(self, text: str, note: str = "") -> None:
        """What the following lines are about, with a blank line before."""
        self.line()
        self.line(f"{text}  [{note}]" if note else text, "bold")

    def pairs(self, rows: Iterable[tuple[str, object]], *, indent: int = 2) -> None:
        """Names and values, in two columns; values may have several lines."""
        listed = list(rows)
        width = max((len(name) for name, _ in listed), default=0)
        for name, value in listed:
            self.line(f"{' ' * indent}{name.ljust(width)}  {escaped(value)}".rstrip())

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; cells are text, whatever is in them."""
        cells = [[escaped(cell) for cell in row] for row in rows]
        if self._console is not None:
            from rich import box
            from rich.table import Table
            from rich.text import Text

            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
            for column in columns:
                table.add_column(column, overflow="fold")
            for row in cells:
                table.add_row(*(Text(cell) for cell in row))
            self._console.print(table, soft_wrap=False)
            return
        widths = [max(len(row[number]) for row in (list(columns), *cells)) for number in range(len(columns))]
        for row in (list(columns), *cells):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
