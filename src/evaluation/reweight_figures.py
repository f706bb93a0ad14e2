"""Figures of remedies against what is varied: the minority share, the clean set's size, the noise level."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from src.evaluation.statistics import summary
from src.evaluation.style import COLOURS, DASHES, grid, styled

Curves = Mapping[str, Mapping[float, list[float]]]
"""Method → x → one value a seed."""
MARKERS = "osD^v<>ph"


@styled
def against(curves: Curves, *, x: str, y: str, log: bool, percent: bool, best: Literal["lowest", "highest"]) -> Figure:
    """Mean ± standard deviation over the seeds of every method, the best at the hardest x on top of the legend.

    That is the smallest x where the lowest y is best, else the largest. `percent`: x is a share. Points are set apart a little, so that their bars can be told apart.
    """
    figure, (axes,) = grid(1, 1, 8.6, 4.6)
    values = sorted({at for points in curves.values() for at in points})
    last = {name: np.mean(points[min(points) if best == "lowest" else max(points)]) for name, points in curves.items()}
    places = np.arange(len(curves)) - (len(curves) - 1) / 2
    step = 0.011 if log else 0.004 * (values[-1] - values[0] or 1)
    for name, colour, dash, marker in zip(curves, cycle(COLOURS), _dashes(), cycle(MARKERS), strict=False):
        points = curves[name]
        at = np.array(sorted(points))
        found = [summary(points[each]) for each in at]
        shift = places[list(curves).index(name)] * step
        axes.errorbar(
            at * np.exp(shift) if log else at + shift, [one["mean"] for one in found],
            yerr=[0.0 if np.isnan(one["sd"]) else one["sd"] for one in found],
            color=colour, linestyle=dash, marker=marker, markersize=4, capsize=2, linewidth=1.3, label=name,
        )  # fmt: skip
    if log:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %" if percent else f"{v:g}"))
    axes.set_xlabel(x)
    seeds = {len(each) for points in curves.values() for each in points.values()}
    n = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
    axes.set_ylabel(f"{y}\n" + ("(one seed)" if n == "1" else f"(mean ± sd over {n} seeds)"))
    handles, labels = axes.get_legend_handles_labels()
    best_first = sorted(range(len(labels)), key=lambda i: last[labels[i]], reverse=best == "highest")
    figure.legend([handles[i] for i in best_first], [labels[i] for i in best_first], loc="outside right center")
    return figure


def _dashes() -> list[str]:
    return [dash for dash in DASHES for _ in COLOURS]
