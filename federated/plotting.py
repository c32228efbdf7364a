"""A picture of the metrics of a run: one panel for each metric, by round, with a line for each phase.

Without a background, in colours that have contrast to white and to black alike; phases differ in their marks and dashes
too. Matplotlib is an extra, ``sojourn[plot]``, and needs no display.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from federated.extras import require_extra

__all__ = ["PICTURE_FORMATS", "plot_metrics", "require_picture"]

PICTURE_FORMATS: Final = ("svg", "png", "pdf")
_INK: Final = "#767676"  # about 4.5 to 1 on white and on black
#: How each phase is drawn: what it is called, colour, mark, dashes.
_PHASES: Final = {
    "train": ("train", "#3987e5", "o", "-"),
    "evaluate": ("evaluate, at nodes", "#d95926", "s", "--"),
    "server": ("evaluate, at the server", "#199e70", "^", ":"),
}
_COLUMNS: Final = 3
_WIDTH: Final = 3.4  # inches of a panel
_HEIGHT: Final = 2.5
_LEGEND: Final = 0.6


def require_picture(path: str | os.PathLike[str]) -> None:
    """Refuse a file that could not be drawn, before anything is done for it.

    Raises
    ------
    ExtraMissing
    ValueError
        For a name that ends otherwise than `PICTURE_FORMATS`.
    """
    if Path(path).suffix.lower().removeprefix(".") not in PICTURE_FORMATS:
        raise ValueError(f"a picture is a file with the ending .{', .'.join(PICTURE_FORMATS)}, and not {Path(path)}")
    require_extra("drawing metrics", "matplotlib", "plot")


def plot_metrics(
    metrics: Mapping[str, Mapping[int, Mapping[str, Any]]], path: str | os.PathLike[str], *, title: str = ""
) -> None:
    """Draw metrics by round.

    Parameters
    ----------
    metrics
        As `federated.RunResult` has them: by phase, round and name. Lists are left out.
    path
        Where to write it; its ending says the format.

    Raises
    ------
    ExtraMissing
    ValueError
        If there is nothing to draw, or no such format.
    OSError
    """
    require_picture(path)
    panels = _panels(metrics)
    if not panels:
        raise ValueError("there are no metrics to draw")
    import matplotlib

    # The same run gives the same file.
    settings: dict[Any, Any] = {"svg.hashsalt": "sojourn", "svg.fonttype": "path", "text.usetex": False}
    stamps = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    form = Path(path).suffix.lower().removeprefix(".")
    with matplotlib.rc_context(settings):
        figure = _drawn(panels, title)
        figure.savefig(os.fspath(path), format=form, dpi=160, transparent=True, metadata=stamps[form])


def _panels(metrics: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """For each name of a metric: by phase, the rounds and values."""
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for phase in _PHASES:
        for number, named in sorted(metrics.get(phase, {}).items()):
            for name, value in named.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    panels.setdefault(name, {}).setdefault(phase, []).append((number, float(value)))
    return {name: by_phase for name, by_phase in panels.items() if _finite(by_phase)}


def _finite(by_phase: Mapping[str, list[tuple[int, float]]]) -> bool:
    return any(math.isfinite(value) for points in by_phase.values() for _, value in points)


def _drawn(panels: Mapping[str, Mapping[str, list[tuple[int, float]]]], title: str) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    # A single panel still leaves room for the legend.
    size = (max(_WIDTH * columns, 2 * _WIDTH), _HEIGHT * rows + _LEGEND)
    figure = Figure(figsize=size, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    drawn: dict[str, Any] = {}
    rounds = [number for by_phase in panels.values() for points in by_phase.values() for number, _ in points]
    margin = max(0.5, (max(rounds) - min(rounds)) / 40)
    for place, (name, by_phase) in zip(axes, panels.items(), strict=False):
        for phase, points in by_phase.items():
            label, colour, mark, dashes = _PHASES[phase]
            numbers = [number for number, _ in points]
            values = [value if math.isfinite(value) else math.nan for _, value in points]
            (drawn[label],) = place.plot(numbers, values, dashes, color=colour, marker=mark, markersize=4, lw=1.6)
        place.set_title(name, color=_INK, fontsize=10, parse_math=False)
        place.set_xlim(min(rounds) - margin, max(rounds) + margin)
        place.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        place.tick_params(colors=_INK, labelsize=8)
        place.set_xlabel("round", color=_INK, fontsize=8)
        place.grid(color=_INK, alpha=0.25, linewidth=0.6)
        for side, spine in place.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(_INK)
    for place in axes[len(panels) :]:
        place.set_visible(False)
    figure.legend(
        list(drawn.values()),
        list(drawn),
        loc="outside lower center",
        ncols=len(drawn),
        frameon=False,
        labelcolor=_INK,
        fontsize=8,
    )
    if title:
        figure.suptitle(title, color=_INK, fontsize=11, parse_math=False)
    return figure
