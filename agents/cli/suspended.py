"""Where a generator is suspended and what its variables hold, read out of a bundle whose state stays closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from agents.cli.claims import ALTERED, Claims
from mobility.bundle.manifest import SegmentKind, Suspension
from mobility.bundle.preview import read_preview
from mobility.code import CodeSegment
from mobility.errors import MobilityError

__all__ = ["excerpt", "variables"]

_AROUND: Final = 3


def excerpt(claims: Claims) -> list[tuple[int, str]]:
    """The line at which it is suspended with a few around it, from the code that is shipped; empty if it is not there.

    Code with another digest than the manifest names is not looked at.
    """
    manifest = claims.manifest
    if manifest is None or manifest.suspension is None:
        return []
    where = manifest.suspension
    own_module = manifest.entry_point.partition(":")[0]
    candidates: list[tuple[int, list[str]]] = []
    for entry, view, check in zip(manifest.segments, claims.segments, claims.checks, strict=True):
        if entry.kind is not SegmentKind.CODE or view is None or check == ALTERED:
            continue
        try:
            modules = CodeSegment.from_bytes(view).modules
        except MobilityError:
            continue
        for module in modules:
            lines = module.source.split("\n")
            if _has(lines, where):
                candidates.append((_likeness(module.name, own_module, where), lines))
    if not candidates:
        return []
    _, lines = max(candidates, key=lambda candidate: candidate[0])
    first, last = max(1, where.line - _AROUND), min(len(lines), where.line + _AROUND)
    return [(number, lines[number - 1].rstrip("\r")) for number in range(first, last + 1)]


def _has(lines: Sequence[str], where: Suspension) -> bool:
    """Whether that line is what the manifest says it is."""
    if not 0 < where.line <= len(lines) or not where.text:
        return False
    shown = Suspension.shown(function="-", file="-", line=where.line, text=lines[where.line - 1])
    return shown.text == where.text


def _likeness(module: str, own_module: str, where: Suspension) -> int:
    """How likely the module is the one: the file's name, then the module of the entry point."""
    stem = where.file.rpartition("/")[2].rpartition("\\")[2].removesuffix(".py")
    return 2 * (module.rpartition(".")[2] == stem) + (module == own_module)


def variables(claims: Claims) -> dict[str, Any] | None:
    """What the sender tells of the local variables, as data; None if it tells nothing.

    ``{"variables": [{"name", "type", "text"}], "delegates": [{"function", "line", "variables"}], "problem": slug}``
    """
    if claims.manifest is None:
        return None
    for entry, view, check in zip(claims.manifest.segments, claims.segments, claims.checks, strict=True):
        if entry.kind is not SegmentKind.PREVIEW:
            continue
        if view is None or check == ALTERED:
            return _nothing(check)
        try:
            return read_preview(view)
        except MobilityError as error:
            return _nothing(error.slug)
    return None


def _nothing(problem: str) -> dict[str, Any]:
    return {"variables": [], "delegates": [], "problem": problem}
