"""Docstrings of the sources are plain text for a terminal; a page wants Markdown.

Three things differ: a table is drawn with ``=``, a block of text follows ``::``, and a session begins with ``>>>``.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

#: A table: a ruler, rows, a ruler; with a ruler below its head, if it has one.
_TABLE = re.compile(r"^( *)(=+(?: +=+)+)\n((?:.+\n)*?)\1\2(?=\n *\n|\n?\Z)", re.MULTILINE)
_SESSION = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^( *)(.*?)::\n\n((?:(?:\1 {2,}.*)?\n)+)", re.MULTILINE)
#: Within sections, the parser of docstrings finds sessions itself.
_SECTION = re.compile(r"^[A-Z][A-Za-z ]+\n-{3,}$", re.MULTILINE)


def _table(match: re.Match[str]) -> str:
    """A pipe table of the columns that the ruler marks; a row with an empty first cell goes on with the one above."""
    starts = [found.start() for found in re.finditer(r"=+", match[2])]
    spans = list(zip(starts, [*starts[1:], None], strict=True))
    rows: list[list[str]] = []
    head = [""] * len(spans)
    for line in (line.removeprefix(match[1]) for line in match[3].splitlines()):
        if line == match[2]:
            head, rows = rows[0], []
            continue
        cells = [line[start:end].strip().replace("|", "\\|") for start, end in spans]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
    lines = [head, ["---"] * len(spans), *rows]
    return "\n".join(f"{match[1]}| {' | '.join(cells)} |" for cells in lines)


def _block(match: re.Match[str]) -> str:
    lead = f"{match[1]}{match[2]}:\n\n" if match[2] else ""
    body = "\n".join(line.removeprefix(match[1]) for line in match[3].strip("\n").split("\n"))
    width = min(len(line) - len(line.lstrip()) for line in body.split("\n") if line.strip())
    text = "\n".join(f"{match[1]}{line[width:]}" for line in body.split("\n"))
    return f"{lead}{match[1]}```text\n{text}\n{match[1]}```\n\n"


def as_markdown(text: str) -> str:
    """The same docstring for a page."""
    text = _TABLE.sub(_table, text + "\n")
    text = _BLOCK.sub(_block, text)
    section = _SECTION.search(text)

    def fenced(match: re.Match[str]) -> str:
        if section is None or match.start() < section.start():
            return f"```pycon\n{match[0]}\n```"
        return match[0] if "Examples\n---" in text else f"Examples\n--------\n{match[0]}"

    text = _SESSION.sub(fenced, text)
    return text.rstrip("\n")


class Prose(griffe.Extension):
    """Rewrites each docstring when its object has been read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """A package is not among the objects within it."""
        self.on_object(obj=pkg)
