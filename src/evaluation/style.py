"""How the figures look: colours, fonts, names, panels; no pyplot, no global state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, ParamSpec

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
"""Distinct under colour blindness: the ten of M. A. Petroff, arXiv:2107.02270."""
Dash = Literal["-", "--", ":", "-."]
DASHES: tuple[Dash, ...] = ("-", "--", ":", "-.")
STYLE: Any = {
    "font.size": 10, "axes.labelsize": 10, "axes.titlesize": 11, "legend.fontsize": 9, "xtick.labelsize": 9,
    "ytick.labelsize": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "lines.linewidth": 1.6, "legend.frameon": False, "figure.dpi": 120, "axes.axisbelow": True,
}  # fmt: skip

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in this style, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def display(name: str, most: int = 24) -> str:
    """A name as text: no mathematics started by a $, nothing that a legend takes for hidden, not too long."""
    name = name.lstrip("_") or "-"
    return (name if len(name) <= most else name[: most - 1] + "…").replace("$", r"\$")


def display_all(names: Sequence[str]) -> list[str]:
    return [display(name) for name in names]


def grid(rows: int, columns: int, width: float, height: float, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels; width and height of one panel in inches."""
    figure = Figure(figsize=(columns * width, rows * height + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, list(axes.flat)


def legend_below(figure: Figure, axes: Axes, ncols: int = 4, **kwargs: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols, **kwargs)
