"""Figures of how a rare class fares: how often it is drawn, what is taken for it, and what remedies do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from src.evaluation.metrics import normalise
from src.evaluation.statistics import summary
from src.evaluation.style import COLOURS, display_all, grid, legend_below, styled
from src.task import FloatArray, IntArray

OVER = {"true": "Recall: share of the true class", "predicted": "Precision: share of the assigned class"}


@styled
def frequencies(counts: Mapping[str, IntArray], class_names: Sequence[str], quantity: str) -> Figure:
    """Examples of each class (C,), a group of bars for each class and a colour for each of the counts."""
    figure, (axes,) = grid(1, 1, width=7.4, height=3.8)
    width, places = 0.8 / len(counts), np.arange(len(class_names))
    for k, (name, found) in enumerate(counts.items()):
        bars = axes.bar(places + (k + 0.5) * width - 0.4, found, width, color=COLOURS[k], label=name)
        axes.bar_label(bars, [f"{n:,.0f}" for n in found], fontsize=8)
    axes.set_xticks(places, display_all(class_names))
    axes.set_ylabel(quantity)
    axes.grid(axis="x", visible=False)
    legend_below(figure, axes, ncols=len(counts))
    return figure


@styled
def matrices(
    counts: Mapping[str, FloatArray], class_names: Sequence[str], over: Literal["true", "predicted"]
) -> Figure:  # fmt: skip
    """A panel for each confusion matrix, shares with counts below, as NuGraph draws them: what is right rises to the right.

    Rows are true classes, the first at the bottom; columns are assigned classes.
    """
    names, columns = display_all(class_names), min(len(counts), 2)
    size = 1.9 + 0.62 * len(names)
    figure, panels = grid(-(-len(counts) // columns), columns, width=size + 0.3, height=size, sharex=True, sharey=True)
    for axes, (title, matrix) in zip(panels, counts.items(), strict=False):
        share = normalise(matrix, over)
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, origin="lower")
        axes.grid(False)
        axes.set_title(title)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        _write_cells(axes, share, matrix)
    for axes in panels[len(counts) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel("True class")
    figure.supxlabel("Assigned class", fontsize=10)
    figure.colorbar(image, ax=panels, fraction=0.03, pad=0.02, shrink=0.8, label=OVER[over])
    return figure


def _write_cells(axes: Axes, share: FloatArray, counts: FloatArray) -> None:
    for (i, j), value in np.ndenumerate(share):
        text = "–" if np.isnan(value) else f"{value:.2f}\n{counts[i, j]:,.0f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if value > 0.5 else "0.15")


Curves = Mapping[str, Sequence[FloatArray]]
"""Training → one curve a seed, a value after each epoch."""


@styled
def losses(training: Curves, validation: Curves) -> Figure:
    """What each training minimised, and beside it a loss that is the same function for all; thin lines are seeds."""
    figure, panels = grid(1, 2, width=5.0, height=3.6)
    for axes, curves in zip(panels, (training, validation), strict=True):
        for colour, (name, seeds) in zip(COLOURS, curves.items(), strict=False):
            epochs = np.arange(1, len(seeds[0]) + 1)
            for values in seeds:
                axes.plot(epochs, values, color=colour, linewidth=0.7, alpha=0.35)
            axes.plot(epochs, np.mean(seeds, axis=0), "o-", color=colour, markersize=3, label=name)
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[0].set_ylabel("Training loss, of all heads\n(levels cannot be compared: other functions)")
    panels[1].set_ylabel("Validation cross-entropy of the event's class")
    legend_below(figure, panels[0])
    return figure


@styled
def arms(measured: Mapping[str, Mapping[str, Sequence[float]]], reference: str) -> Figure:
    """Quantity → arm → one value a seed: a panel for each quantity, means with 95 % t intervals; dots are seeds, the line is `reference`."""
    names = list(next(iter(measured.values())))
    figure, panels = grid(1, len(measured), width=4.2, height=0.34 * len(names) + 1.1, sharey=True)
    for axes, (quantity, values) in zip(panels, measured.items(), strict=True):
        for y, name in enumerate(names):
            found, colour = summary(values[name]), COLOURS[1] if name == reference else COLOURS[0]
            axes.plot(values[name], np.full(len(values[name]), y + 0.22), ".", color=colour, alpha=0.45, markersize=4)
            axes.plot([found["low"], found["high"]], [y, y], color=colour)
            axes.plot(found["mean"], y, "o", color=colour, markersize=5)
        axes.axvline(float(np.mean(values[reference])), color=COLOURS[1], linewidth=1, linestyle="--", zorder=0)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(quantity)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    seeds = {len(values[name]) for values in measured.values() for name in names}
    n = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
    figure.suptitle("One seed" if n == "1" else f"Mean and 95 % interval over {n} seeds; small dots: seeds", fontsize=9)
    return figure
