"""Figures of single nodes of a network's last hidden layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.evaluation.domain_figures import DOMAIN_DASHES
from src.evaluation.nodes import correlation
from src.evaluation.style import COLOURS, display_all, grid, legend_below, styled
from src.task import FloatArray, IntArray

BINS = 20
ACROSS = 3


@styled
def node_histogram(
    activations: npt.NDArray[np.floating[Any]], titles: Sequence[str], labels: IntArray, domain: IntArray,
    weight: FloatArray, class_names: Sequence[str], domain_names: Sequence[str],
) -> Figure:  # fmt: skip
    """A panel for each of a few nodes, activations (n, k): how often which value, by true class and domain (1 is dashed)."""
    columns = min(ACROSS, len(titles))
    figure, panels = grid(-(-len(titles) // columns), columns, width=max(3.4, 6.0 - columns), height=2.9)
    for axes, values, title in zip(panels, activations.T, titles, strict=False):
        _by_group(axes, values, labels, domain, weight, display_all(class_names), display_all(domain_names))
        axes.set(yscale="log", xlabel="Activation", title=title)
    for axes in panels[::columns]:
        axes.set_ylabel("Events per bin")
    for axes in panels[len(titles) :]:
        axes.set_visible(False)
    legend_below(figure, panels[0], ncols=len(class_names))
    return figure


def _by_group(
    axes: Axes, values: npt.NDArray[Any], labels: IntArray, domain: IntArray, weight: FloatArray,
    class_names: Sequence[str], domain_names: Sequence[str],
) -> None:  # fmt: skip
    bins = np.histogram_bin_edges(values, BINS)
    for c, class_name in enumerate(class_names):
        for d, dash in enumerate(DOMAIN_DASHES):
            here = (labels == c) & (domain == d)
            height, _ = np.histogram(values[here], bins, weights=weight[here])
            name = f"{class_name}, {domain_names[d]}"
            axes.stairs(height, bins, color=COLOURS[c], linestyle=dash, linewidth=1.4, label=name)


@styled
def scatter(first: FloatArray, second: FloatArray, names: tuple[str, str]) -> Figure:
    """The best purity × efficiency of each node (W,) for one signal against that for another; dead nodes are NaN."""
    figure, (axes,) = grid(1, 1, width=5.0, height=4.4)
    live = ~np.isnan(first) & ~np.isnan(second)
    axes.plot(first[live], second[live], "o", color=COLOURS[0], markersize=4, alpha=0.6)
    rho, _ = correlation(first, second)
    said = "too few nodes for a correlation" if np.isnan(rho) else f"Spearman's ρ = {rho:.2f}"
    axes.set_title(f"{live.sum():,} live nodes, {(~live).sum():,} dead ones left out\n{said}")
    across, up = display_all(names)
    axes.set(xlabel=f"Best purity × efficiency for {across}", ylabel=f"Best purity × efficiency for {up}")
    return figure
