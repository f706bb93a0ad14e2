"""Figures of finding a rare class, over repeats: losses by epoch, outputs of one model, precision against recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from src.evaluation.style import COLOURS, DASHES, display, grid, legend_below, styled
from src.task import BoolArray, FloatArray

TRAIN, VALID = COLOURS[0], COLOURS[8]
RARE, REST = COLOURS[2], COLOURS[0]
BINS = 60


@dataclass(frozen=True)
class Selection:
    """A selection without a score to vary: where it stands among precision-recall curves."""

    name: str
    recall: float
    precision: float
    errors: tuple[float, float]
    """Of recall and precision."""


@styled
def losses(training: Sequence[FloatArray], validation: Sequence[FloatArray], best: Sequence[int]) -> Figure:
    """Loss against epoch of every repeat, in training and in validation; the epoch that was chosen of each is marked."""
    figure, (axes,) = grid(1, 1, 6.4, 4.0)
    for i, (train, val, epoch) in enumerate(zip(training, validation, best, strict=True)):
        dash, epochs = DASHES[i % len(DASHES)], np.arange(1, len(train) + 1)
        first = i == 0
        style: Any = {"linestyle": dash, "linewidth": 1.3, "marker": ".", "markersize": 3}
        axes.plot(epochs, train, color=TRAIN, label="training (balanced, varied)" if first else None, **style)
        axes.plot(epochs, val, color=VALID, label="validation (as it is)" if first else None, **style)
        axes.plot(epoch, val[epoch - 1], "o", color=RARE, markersize=5, label="epoch that is used" if first else None)
    axes.set(xlabel="Epoch", ylabel="Binary cross-entropy", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    legend_below(figure, axes, title=f"{len(training)} training{'s' * (len(training) > 1)}, a dash pattern each")
    return figure


@styled
def outputs(log_odds: npt.NDArray[np.floating[Any]], positive: BoolArray, rare: str, rest: str, cut: float) -> Figure:
    """How many events have which output (n,), by true class; the cut that holds the asked share of the rare class."""
    figure, (axes,) = grid(1, 1, 6.4, 3.8)
    bins = np.linspace(np.floor(log_odds.min()), np.ceil(log_odds.max()), BINS + 1)
    for chosen, name, colour in ((~positive, rest, REST), (positive, rare, RARE)):
        axes.hist(
            log_odds[chosen], bins.tolist(), histtype="stepfilled", alpha=0.35, edgecolor=colour, color=colour, linewidth=1.4,
            label=f"{display(name)} ({chosen.sum():,})",
        )  # fmt: skip
    axes.axvline(0, color="0.4", linewidth=1, linestyle=":", label="0, as balanced")
    axes.axvline(cut, color="0.15", linewidth=1.2, linestyle="--", label=f"cut at the asked recall, {cut:.2f}")
    axes.set(yscale="log", ylim=(0.6, None), ylabel=f"Events per {bins[1] - bins[0]:.2f}")
    axes.set_xlabel(f"Output (log-odds of {display(rare)})")
    legend_below(figure, axes, ncols=2)
    return figure


@styled
def precision_recall(
    scores: Mapping[str, npt.NDArray[np.floating[Any]]], positive: BoolArray, selections: Sequence[Selection],
    others: Mapping[str, npt.NDArray[np.floating[Any]]] = {},
) -> Figure:  # fmt: skip
    """Precision against recall of every repeat's scores (n,), in shades of one colour, of other methods, and selections."""
    from matplotlib import colormaps
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figure, (axes,) = grid(1, 1, 6.8, 4.8)
    shades = colormaps["Blues"](np.linspace(0.5, 1, len(scores)))

    def curve(score: npt.NDArray[np.floating[Any]], name: str, **style: Any) -> None:
        precision, recall, _ = precision_recall_curve(positive, score)
        area = average_precision_score(positive, score)
        known = slice(None, -1)  # scikit-learn ends with a precision of 1 at no recall, which nothing measured
        axes.plot(recall[known], precision[known], drawstyle="steps-post", label=f"{name}  {area:.3f}", **style)

    for shade, (name, score) in zip(shades, scores.items(), strict=True):
        curve(score, name, color=shade, linewidth=1.3)
    for i, (name, score) in enumerate(others.items()):
        curve(score, name, color=COLOURS[1 + 3 * i], linewidth=1.3)
    for marker, one in zip("sD^v", selections, strict=False):
        across, up = one.errors
        axes.errorbar(
            one.recall, one.precision, xerr=across, yerr=up, marker=marker, color=RARE, capsize=3, linestyle="",
            label=f"{one.name} (± √N)",
        )  # fmt: skip
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="Recall", ylabel="Precision")
    figure.legend(title="Average precision", loc="outside right upper", alignment="left")
    return figure


@styled
def crops(pictures: Mapping[str, npt.NDArray[np.uint8]], field: float) -> Figure:
    """A row of pictures (k, 3, h, w) for every kind; `field` is their side in µm."""
    columns = max(len(rows) for rows in pictures.values())
    figure, panels = grid(len(pictures), columns, 1.35, 1.35)
    for axes in panels:
        axes.set_axis_off()
    for i, (kind, rows) in enumerate(pictures.items()):
        for j, picture in enumerate(rows):
            axes = panels[i * columns + j]
            axes.imshow(picture.transpose(1, 2, 0))
            if not j:
                axes.set_axis_on()
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
                axes.spines[:].set_visible(False)
                axes.set_ylabel(kind.replace(" ", "\n"), fontsize=9)
    figure.supxlabel(f"each {field:g} µm × {field:g} µm", fontsize=9, color="0.3")
    return figure
