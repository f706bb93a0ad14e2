"""Figures of a classifier in two domains: what tells them apart, and what it costs to forget that.

`scores` are of one class, of the same events (n,), by the name of what was varied; domain 0 is the source, 1 the target and
dashed. Whatever has no events is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from src.evaluation.figures import UNIT_TICKS, roc_by_domain, roc_frame
from src.evaluation.physics import CutScan, scan
from src.evaluation.statistics import summary
from src.evaluation.style import COLOURS, Dash, display, display_all, grid, legend_below, styled
from src.evaluation.working_point import Score
from src.task import BoolArray, FloatArray, IntArray

DOMAIN_DASHES: tuple[Dash, Dash] = ("-", "--")
BINS = 50


@styled
def overlaid_roc(
    scores: Mapping[str, Score], positive: BoolArray, weight: FloatArray, domain: IntArray,
    class_name: str, domain_names: Sequence[str], varied: str = "scale",
) -> Figure:  # fmt: skip
    """ROC curves of one class against the rest, a colour for each score, with the areas in both domains."""
    names, dashes = display_all(domain_names), dict(enumerate(DOMAIN_DASHES))
    figure, (axes,) = grid(1, 1, width=7.6, height=4.6)
    for colour, (name, score) in zip(COLOURS, scores.items(), strict=False):
        roc_by_domain(axes, score, positive, weight, domain, display(name), dashes, colour)
    roc_frame(figure, axes, names, DOMAIN_DASHES, f"{display(class_name)}, area by {varied}")
    return figure


@styled
def overlaid_cuts(
    scores: Mapping[str, Score], positive: BoolArray, weight: FloatArray, class_name: str, varied: str = "scale"
) -> Figure:
    """Purity, efficiency and their product against the cut on one class's probability, a colour for each score."""
    figure, panels = grid(1, 3, width=3.6, height=3.2, sharey=True)
    for colour, (name, score) in zip(COLOURS, scores.items(), strict=False):
        found = _scan(score, positive, weight)
        for axes, values in zip(panels, (found.purity, found.efficiency, found.product), strict=True):
            axes.plot(found.cuts, values[1], color=colour, label=display(name))
    for axes, title in zip(panels, ("Purity", "Efficiency", "Purity × efficiency"), strict=True):
        axes.set(xlim=(0, 1), ylim=(0, 1.03), xticks=UNIT_TICKS, xlabel=f"Cut on p({display(class_name)})", title=title)
        axes.xaxis.set_major_formatter("{x:g}")
    panels[0].set_ylabel("Share")
    legend_below(figure, panels[0], ncols=6, title=varied.capitalize())
    return figure


def _scan(score: Score, positive: BoolArray, weight: FloatArray) -> CutScan:
    return scan(np.column_stack([1 - score, score]), positive.astype(np.int64), weight)


@styled
def domain_scores(source: Score, domain: IntArray, weight: FloatArray, domain_names: Sequence[str]) -> Figure:
    """How a discriminator's P(source) (n,) is distributed in the events of each domain."""
    figure, (axes,) = grid(1, 1, width=6.2, height=3.8)
    bins, names = np.linspace(0, 1, BINS + 1), display_all(domain_names)
    for d in range(2):
        here = domain == d
        if weight[here].sum() > 0:
            _shares(
                axes, source[here], weight[here], bins, color=COLOURS[d], linestyle=DOMAIN_DASHES[d], label=names[d]
            )
    axes.set(xlim=(0, 1), xlabel=f"P({names[0]})", ylabel=f"Share of the domain's events per {1 / BINS:g}")
    legend_below(figure, axes, title="True domain")
    return figure


@styled
def band_histogram(
    groups: Mapping[str, tuple[npt.NDArray[Any], FloatArray]], quantity: str, log: bool = False
) -> Figure:
    """How a quantity (with its unit) is distributed in each named group of values and weights, each to a sum of 1.

    With `log` in bins of equal ratio. What is not finite, or then not above 0, is left out of the picture, not of the sum.
    """
    figure, (axes,) = grid(1, 1, width=6.4, height=3.8)
    kept = {name: (np.asarray(x, dtype=np.float64), w) for name, (x, w) in groups.items()}
    every = np.concatenate([x for x, _ in kept.values()])
    bins = _edges(every[np.isfinite(every) & ((every > 0) | (not log))], log)
    for colour, (name, (x, w)) in zip(COLOURS, kept.items(), strict=False):
        label = f"{display(name, 40)} ({len(x):,})"
        if w.sum() > 0:
            _shares(axes, x, w, bins, color=colour, label=label)
    axes.set(xlabel=quantity, ylabel="Share of the group's events per bin", xscale="log" if log else "linear")
    if log:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    legend_below(figure, axes, ncols=1 if len(kept) < 4 else 2)
    return figure


def _edges(values: FloatArray, log: bool) -> FloatArray:
    if not len(values):
        return np.geomspace(1, 10, BINS + 1) if log else np.linspace(0, 1, BINS + 1)
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + 1
    return np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)


def _shares(axes: Any, values: npt.NDArray[Any], weight: FloatArray, bins: FloatArray, **style: Any) -> None:
    height, _ = np.histogram(values, bins, weights=weight)
    axes.stairs(height / weight.sum(), bins, linewidth=1.6, **style)


@styled
def class_mix(
    labels: IntArray, chosen: BoolArray, weight: FloatArray, class_names: Sequence[str], domain_name: str, title: str
) -> Figure:
    """Shares of the true classes among the chosen events of a domain, `title`, beside those among all of its events.

    The bars' errors are Wilson's binomial ones (68 %), of the effective number (Σw)² / Σw² of events; above them stand
    counts.
    """
    figure, (axes,) = grid(1, 1, width=1.6 * len(class_names) + 2.2, height=3.8)
    groups = ((f"all of {display(domain_name)}", np.ones_like(chosen), COLOURS[3]), (title, chosen, COLOURS[0]))
    for shift, (name, which, colour) in zip((-0.2, 0.2), groups, strict=True):
        counts = np.bincount(labels[which], minlength=len(class_names))
        weights = np.bincount(labels[which], weight[which], len(class_names))
        total = weights.sum()
        if not total:
            continue
        share, errors = weights / total, wilson(weights / total, total**2 / (weight[which] ** 2).sum())
        at = np.arange(len(class_names)) + shift
        axes.bar(
            at, share, 0.38, color=colour, label=f"{name} ({counts.sum():,})", yerr=errors, capsize=3, ecolor="0.3"
        )
        for x, top, count in zip(at, share + errors[1], counts, strict=True):
            axes.annotate(f"{count:,}", (x, top), (0, 3), textcoords="offset points", ha="center", fontsize=9)
    axes.set_xticks(range(len(class_names)), display_all(class_names))
    axes.margins(y=0.1)
    axes.set(xlabel="True class", ylabel="Share of events", ylim=(0, None))
    axes.grid(axis="x", visible=False)
    legend_below(figure, axes, ncols=1)
    return figure


def wilson(share: FloatArray, n: float) -> FloatArray:
    """(2, ...) below and above shares of n events: the 68 % interval of Wilson (1927), at 0 and 1 too."""
    middle, half = (share + 0.5 / n) / (1 + 1 / n), np.sqrt(share * (1 - share) / n + 0.25 / n**2) / (1 + 1 / n)
    return np.maximum(0, np.stack([share - middle + half, middle + half - share]))


@styled
def gap_by_scale(
    scales: Sequence[float], measured: Mapping[str, Sequence[Sequence[float]]], varied: str = "scale"
) -> Figure:
    """A panel for each thing measured: at each scale its seeds' values as dots, their mean and its 95 % t interval."""
    figure, panels = grid(1, len(measured), width=4.2, height=3.4)
    aside = 0.02 * (max(scales) - min(scales))
    for axes, (name, values) in zip(panels, measured.items(), strict=True):
        seen = [summary(seeds) for seeds in values]
        for scale, seeds in zip(scales, values, strict=True):
            axes.plot([scale + aside] * len(seeds), seeds, ".", color="0.5", markersize=5, label="a seed")
        mean = np.array([one["mean"] for one in seen])
        half = np.nan_to_num([one["high"] - one["mean"] for one in seen])
        axes.errorbar(
            scales, mean, half, color=COLOURS[0], marker="o", markersize=4, capsize=3, label="mean, 95 % interval"
        )
        axes.set(xlabel=varied.capitalize(), ylabel=name)
    handles, labels = panels[0].get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    figure.legend([*shown.values()], [*shown], loc="outside lower center", ncols=2)
    return figure


@styled
def cropped_outputs(
    score: Score, labels: IntArray, weight: FloatArray, class_name: str, class_names: Sequence[str]
) -> Figure:
    """One class's probability by true class: as it is, and cropped to what the rarest class needs."""
    figure, panels = grid(2, 1, width=6.2, height=2.7, sharex=True)
    bins, heights = np.linspace(0, 1, BINS + 1), {}
    for c, name in enumerate(display_all(class_names)):
        if (labels == c).any():
            heights[c] = np.histogram(score[labels == c], bins, weights=weight[labels == c])[0]
            for axes in panels:
                axes.stairs(heights[c], bins, color=COLOURS[c], label=name, linewidth=1.6)
    rarest = min(heights.values(), key=lambda height: float(height.sum()))
    panels[1].set(ylim=(0, 1.1 * rarest.max()), xlim=(0, 1), xlabel=f"p({display(class_name)})")
    panels[1].set_title("the same, cropped to the rarest class", fontsize=10)
    for axes in panels:
        axes.set_ylabel(f"Events per {1 / BINS:g}")
    legend_below(figure, panels[0], title="True class")
    return figure
