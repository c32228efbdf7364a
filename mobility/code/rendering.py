"""The text that travels: of each module the needed statements, on the lines where they stood."""

from __future__ import annotations

import ast
import copy
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

from mobility.code.statements import SourceText, Statement

__all__ = ["render", "spelled"]


def render(
    texts: Iterable[SourceText],
    taken: Mapping[Statement, SourceText],
    kept: Mapping[Statement, set[str]],
    made_up: Mapping[str, str],
) -> str:
    """One text for all of a module; cells follow one another.

    Parameters
    ----------
    kept
        Of statements that only import: the names to keep.
    made_up
        Lines for names whose statement is not to be had.
    """
    futures: list[str] = []
    lines: list[str] = []
    several = sum(1 for text in texts if any(taken.get(s) is text for s in text.statements)) > 1
    for text in texts:
        chosen = [statement for statement in text.statements if taken.get(statement) is text]
        if several:  # only the first statements of a module may be of this kind
            futures += [_trimmed(s, kept) for s in chosen if s.is_future]
            chosen = [s for s in chosen if not s.is_future]
        if chosen:
            lines += _lines(text, chosen, kept)
    head = [line for line in dict.fromkeys((*futures, *made_up.values())) if line]
    if head and not futures and lines:
        # After the imports from __future__, which stand in the text; on a line of its own if one is free.
        return _inserted(lines, head)
    return "\n".join((*head, *lines, "")) if head or lines else ""


def _lines(text: SourceText, chosen: list[Statement], kept: Mapping[Statement, set[str]]) -> list[str]:
    rows = [""] * max(statement.last for statement in chosen)
    for statement in chosen:
        if statement.guard is not None:
            rows[statement.guard - 1] = "if True:"
        own = [line.rstrip("\r\n") for line in text.lines[statement.first - 1 : statement.last]]
        if statement in kept and not statement.is_future:
            margin = own[0][: len(own[0]) - len(own[0].lstrip())]
            own = [margin + _trimmed(statement, kept), *[""] * (len(own) - 1)]
        rows[statement.first - 1 : statement.last] = own
    return rows


def _trimmed(statement: Statement, kept: Mapping[Statement, set[str]]) -> str:
    """An import statement with the names that are needed; a star is written out."""
    names = kept.get(statement)
    parts = []
    for node in statement.nodes:
        assert isinstance(node, ast.Import | ast.ImportFrom)
        aliases = node.names
        if names is not None and aliases[0].name == "*":
            aliases = [ast.alias(name) for name in sorted(names - statement.binds)]
        elif names is not None:
            aliases = [alias for alias in aliases if (alias.asname or _bound(node, alias)) in names]
        if aliases:
            node = copy.copy(node)
            node.names = aliases
            parts.append(ast.unparse(node))
    return "; ".join(parts)


def _bound(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    return alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0]


def _inserted(lines: list[str], head: list[str]) -> str:
    """Put made-up lines before everything but imports from ``__future__``."""
    last_future = max((i for i, line in enumerate(lines) if line.lstrip().startswith("from __future__")), default=-1)
    free = next((i for i in range(last_future + 1, len(lines)) if lines[i]), len(lines))
    room = free - last_future - 1
    if room:
        lines[last_future + 1] = "; ".join(head)
    else:
        lines[last_future + 1 : last_future + 1] = ["; ".join(head)]
    return "\n".join((*lines, ""))


def spelled(name: str, value: Any) -> str:
    """A line that binds `name` to `value`: an import, or a literal. Empty if there is none."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__} as {name}" if value.__name__ != name else f"import {name}"
    if type(value) in (int, str, bytes, bool, type(None), float, complex) and value == value:
        line = f"{name} = {value!r}"
        return line if "inf" not in line or isinstance(value, str) else ""
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(module, str) and isinstance(qualname, str) and qualname.isidentifier() and module != "__main__":
        if getattr(sys.modules.get(module), qualname, None) is value:
            return f"from {module} import {qualname} as {name}" if qualname != name else f"from {module} import {name}"
    return ""
