"""Figures of how good class probabilities are: plain arrays in, a matplotlib Figure out.

With more than ten classes the curves show six of them, evenly spaced between the best and the worst recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from src.evaluation.metrics import calibration, confusion_matrix, higher_is_better, normalise
from src.evaluation.physics import natural_weight, scan
from src.evaluation.style import COLOURS, DASHES, Dash, display, display_all, grid, legend_below, styled
from src.evaluation.working_point import Score, average_precision_interval
from src.task import BoolArray, FloatArray, IntArray, Probabilities

MANY = 10
"""Up to so many classes, every one is drawn."""
SELECTED = 6
SELECTION = "{} of {} classes, from the best recall to the worst"
BINS = 100
RESAMPLES = 200  # for the intervals of a legend: a tenth of a second a class on 10,000 events
UNIT_TICKS = (0, 0.25, 0.5, 0.75, 1)
LEGEND_RIGHT: Any = {"loc": "outside right upper", "alignment": "left"}


@styled
def history(
    epochs: Sequence[int], curves: Mapping[str, Sequence[float]], monitor: str, best_epoch: int | None
) -> Figure:
    """Losses (everything minimised) and validation scores against the epoch; per-class scores only if monitored."""
    figure, (left, right) = grid(1, 2, width=5.2, height=3.8)
    for name, values in curves.items():
        loss = not higher_is_better(name) and not name.endswith("/ece")
        score = name == monitor or (name.startswith("val/") and "." not in name and higher_is_better(name))
        if name == monitor or (name.count("/") == 1 and (loss or score)):
            axes = left if loss else right
            width = 2.8 if name == monitor else 1.6
            colour = COLOURS[len(axes.lines) % len(COLOURS)]
            axes.plot(epochs, values, "o-", color=colour, markersize=3, linewidth=width, label=display(name))
    for axes, label in ((left, "Loss"), (right, "Validation score")):
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if best_epoch is not None:
            axes.axvline(best_epoch, color="0.4", linestyle=":", linewidth=1.2, label=f"best epoch ({best_epoch})")
        if axes.lines:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return figure


@styled
def confusion(probabilities: Probabilities, labels: IntArray, weight: FloatArray, class_names: Sequence[str]) -> Figure:
    """The confusion matrix over true (efficiency) and over predicted classes (purity), with event counts."""
    matrix = confusion_matrix(probabilities, labels, weight)
    return confusion_counts(matrix, confusion_matrix(probabilities, labels, np.ones(len(labels))), class_names)


@styled
def confusion_counts(matrix: FloatArray, counts: FloatArray, class_names: Sequence[str]) -> Figure:
    """The same from weights and numbers of examples of true class i predicted as j, at [i, j]."""
    num_classes, names = len(class_names), display_all(class_names)
    size = float(np.clip(1.6 + 0.6 * num_classes, 3.4, 7.5))
    figure, panels = grid(1, 2, width=size + 0.3, height=size, sharey=True)
    scale = PowerNorm(1 if num_classes <= MANY else 0.5, vmin=0, vmax=1)  # many classes: lift the faint mistakes
    kinds: tuple[tuple[Literal["true", "predicted"], str], ...] = (
        ("true", "Efficiency: share of the true class"),
        ("predicted", "Purity: share of the predicted class"),
    )
    for axes, (over, title) in zip(panels, kinds, strict=True):
        share = normalise(matrix, over)
        image = axes.imshow(share, cmap="Blues", norm=scale)
        axes.set(xlabel="Predicted class", title=title)
        axes.grid(False)
        if num_classes <= MANY:
            long = num_classes > 3 and max(len(name) for name in names) > 4
            axes.set_xticks(range(num_classes), names, rotation=45 if long else 0, ha="right" if long else "center")
            axes.set_yticks(range(num_classes), names)
            _write_cells(axes, share, counts)
    panels[0].set_ylabel("True class")
    figure.colorbar(image, ax=panels, fraction=0.03, pad=0.02, shrink=0.8, label="Share")
    return figure


@styled
def outputs(probabilities: Probabilities, labels: IntArray, weight: FloatArray, class_names: Sequence[str]) -> Figure:
    """Each class probability, by true class (by signal and the rest if there are more than four), over all events."""
    names, bins = display_all(class_names), np.linspace(0, 1, BINS + 1)
    few = len(class_names) <= 4
    figure, panels, shown = _panel_per_class(probabilities, labels, weight, f"Events per {1 / BINS:g} / all events")
    for axes, c in zip(panels, shown, strict=True):
        truths = [(labels == k, names[k], COLOURS[k]) for k in range(len(names))] if few else [
            (labels == c, "this class", COLOURS[0]), (labels != c, "all others", COLOURS[2])
        ]  # fmt: skip
        for chosen, name, colour in truths:
            height, _ = np.histogram(probabilities[chosen, c], bins, weights=weight[chosen])
            axes.stairs(height / weight.sum(), bins, color=colour, label=name, linewidth=1.4)
        axes.set(yscale="log", xlabel=f"p({names[c]})")
    legend_below(figure, panels[0], title="True class")
    return figure


@styled
def cuts(
    probabilities: Probabilities,
    labels: IntArray,
    weight: FloatArray,
    class_names: Sequence[str],
    natural_prior: Sequence[float] | None = None,
) -> Figure:
    """Purity, efficiency and their product against the cut on each class probability; dashed at the natural mix."""
    names = display_all(class_names)
    figure, panels, shown = _panel_per_class(probabilities, labels, weight, "Purity, efficiency")
    mixes = [("", weight)]
    if natural_prior is not None:
        mixes.append((", natural mix", natural_weight(labels, weight, natural_prior)))
    for (mix, mix_weight), dash in zip(mixes, DASHES, strict=False):
        scanned = scan(probabilities, labels, mix_weight)
        for axes, c in zip(panels, shown, strict=True):
            axes.plot(scanned.cuts, scanned.purity[c], dash, color=COLOURS[0], label=f"purity{mix}")
            if not mix:  # the efficiency of a class does not depend on the mix
                axes.plot(scanned.cuts, scanned.efficiency[c], dash, color=COLOURS[1], label="efficiency")
            axes.plot(scanned.cuts, scanned.product[c], dash, color=COLOURS[2], label=f"purity × efficiency{mix}")
            best = scanned.best(c)
            if best is not None:
                at = (scanned.cuts[best], scanned.product[c, best])
                axes.plot(*at, "o", color=COLOURS[2], markersize=5, label="" if mix else "best cut")
    for axes, c in zip(panels, shown, strict=True):
        axes.set(ylim=(0, 1.03), xlabel=f"Cut on p({names[c]})")
    legend_below(figure, panels[0], ncols=3 if len(mixes) > 1 else 4)
    return figure


@styled
def roc(
    probabilities: Probabilities,
    labels: IntArray,
    weight: FloatArray,
    domain: IntArray,
    class_names: Sequence[str],
    domain_names: Sequence[str],
) -> Figure:
    """One-vs-rest ROC curves with their areas, a colour for each class and a dash pattern for each domain.

    More than four domains are drawn as one.
    """
    names, domains = display_all(class_names), np.unique(domain)
    if len(domains) > len(DASHES):
        domain, domains = np.zeros_like(domain), np.zeros(1, dtype=np.int64)
    dashes = {d: DASHES[d % len(DASHES)] for d in domains.tolist()}
    figure, (axes,) = grid(1, 1, width=_width(names, 2 + 8 * len(domains)), height=4.6)
    for colour, c in _coloured(probabilities, labels, weight):
        roc_by_domain(axes, probabilities[:, c], labels == c, weight, domain, names[c], dashes, colour)
    present = display_all([domain_names[d] for d in domains])
    roc_frame(figure, axes, present, [*dashes.values()])
    _note_selection(axes, len(names))
    return figure


def roc_by_domain(
    axes: Axes, score: Score, positive: BoolArray, weight: FloatArray, domain: IntArray, name: str,
    dashes: Mapping[int, Dash], colour: str,
) -> None:  # fmt: skip
    """A ROC curve for each domain, and in the legend their areas, – where there is none."""
    from sklearn.metrics import auc, roc_curve

    areas = []
    for d, dash in dashes.items():
        here = domain == d
        if positive[here].all() or not positive[here].any():
            areas.append("–")
            continue
        wrong, right, _ = roc_curve(positive[here], score[here], sample_weight=weight[here])
        axes.plot(wrong, right, dash, color=colour)
        areas.append(f"{auc(wrong, right):.3f}")
    axes.plot([], [], color=colour, label=f"{name}  {' / '.join(areas)}")


def roc_frame(
    figure: Figure, axes: Axes, domain_names: Sequence[str], dashes: Sequence[Dash], title: str = "Area"
) -> None:
    """Chance, axes, and the legends of `roc_by_domain`: areas to the right, the domains' dashes inside."""
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set(xlabel="Background efficiency (false positive rate)", ylabel="Signal efficiency (true positive rate)")
    several = len(domain_names) > 1
    figure.legend(title=f"{title}: {' / '.join(domain_names)}" if several else title, **LEGEND_RIGHT)
    if several:
        lines = [Line2D([], [], color="0.3", linestyle=dash) for dash in dashes]
        axes.legend(lines, domain_names, loc="lower right")


@styled
def precision_recall(
    probabilities: Probabilities, labels: IntArray, weight: FloatArray, class_names: Sequence[str]
) -> Figure:
    """One-vs-rest precision-recall curves with their average precision and its 95 % bootstrap interval over events."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    names = display_all(class_names)
    figure, (axes,) = grid(1, 1, width=_width(names, 24), height=4.6)
    for colour, c in _coloured(probabilities, labels, weight):
        signal = labels == c
        if not signal.any():
            continue
        area = average_precision_score(signal, probabilities[:, c], sample_weight=weight)
        purity, efficiency, _ = precision_recall_curve(signal, probabilities[:, c], sample_weight=weight)
        axes.plot(efficiency, purity, color=colour, drawstyle="steps-post")
        low, high = average_precision_interval(probabilities[:, c], signal, weight, np.random.default_rng(0), RESAMPLES)
        axes.lines[-1].set_label(f"{names[c]}  {area:.3f} ({low:.3f} to {high:.3f})")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set(xlabel="Efficiency (recall)", ylabel="Purity (precision)")
    figure.legend(title="Average precision (95 %)", **LEGEND_RIGHT)
    _note_selection(axes, len(names))
    return figure


@styled
def reliability(probabilities: Probabilities, labels: IntArray, weight: FloatArray) -> Figure:
    """Accuracy against the top probability, and how the top probability is distributed."""
    confidence, accuracy, share = calibration(probabilities, labels, weight)
    edges = np.linspace(0, 1, len(share) + 1)
    figure = Figure(figsize=(4.8, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="perfect calibration")
    filled = share > 0
    upper.plot(confidence[filled], accuracy[filled], "o-", color=COLOURS[0], label="this classifier")
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="Accuracy")
    error = np.nansum(share * np.abs(accuracy - confidence))
    upper.set_title(f"Expected calibration error {error:.3f}")
    upper.legend(loc="upper left")
    lower.stairs(share, edges, color=COLOURS[0], fill=True, alpha=0.7)
    lower.set(xlabel="Top probability", ylabel="Share of events")
    return figure


def select_classes(probabilities: Probabilities, labels: IntArray, weight: FloatArray) -> IntArray:
    """Which classes to draw curves of: all, or of many six from the best to the worst recall."""
    num_classes = probabilities.shape[1]
    if num_classes <= MANY:
        return np.arange(num_classes)
    recall = normalise(confusion_matrix(probabilities, labels, weight), "true").diagonal()
    ranked = np.argsort(-recall)[: np.count_nonzero(~np.isnan(recall))]  # NaN sorts last
    picked: IntArray = ranked[np.unique(np.linspace(0, len(ranked) - 1, SELECTED).round().astype(int))]
    return picked


def _coloured(probabilities: Probabilities, labels: IntArray, weight: FloatArray) -> list[tuple[str, int]]:
    return list(zip(COLOURS, select_classes(probabilities, labels, weight).tolist(), strict=False))


def _panel_per_class(
    probabilities: Probabilities, labels: IntArray, weight: FloatArray, ylabel: str
) -> tuple[Figure, list[Axes], list[int]]:
    shown = select_classes(probabilities, labels, weight).tolist()
    columns = len(shown) if len(shown) <= 4 else ceil(len(shown) / 2)
    rows = ceil(len(shown) / columns)
    figure, panels = grid(rows, columns, width=max(2.6, 3.6 - 0.2 * columns), height=3.0, sharey=True)
    for axes in panels:
        axes.set(xlim=(0, 1), xticks=UNIT_TICKS)
        axes.xaxis.set_major_formatter("{x:g}")
    for axes in panels[::columns]:
        axes.set_ylabel(ylabel)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    if len(shown) < probabilities.shape[1]:
        figure.suptitle(SELECTION.format(len(shown), probabilities.shape[1]), fontsize=11)
    return figure, panels[: len(shown)], shown


def _width(names: Sequence[str], further: int) -> float:
    """Inches of a square panel and, to its right, a legend of the names and so many further characters."""
    return 5.6 + 0.08 * (max(len(name) for name in names) + further)


def _note_selection(axes: Axes, num_classes: int) -> None:
    if num_classes > MANY:
        axes.set_title(SELECTION.format(SELECTED, num_classes))


def _write_cells(axes: Axes, share: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> None:
    size = 10 if len(share) <= 4 else 7.5
    for (i, j), value in np.ndenumerate(share):
        text = "–" if np.isnan(value) else f"{value:.2f}\n{counts[i, j]:.0f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if value > 0.5 else "0.15")
