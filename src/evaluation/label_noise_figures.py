"""Figures of label noise: examples with their labels, transition matrices, accuracy as training goes on, methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from src.evaluation.statistics import summary
from src.evaluation.style import COLOURS, DASHES, display, display_all, grid, legend_below, styled
from src.task import BoolArray, FloatArray, IntArray
from src.transition_matrix import TransitionMatrix

Pictures = npt.NDArray[np.float32] | npt.NDArray[np.float16] | npt.NDArray[np.uint8]
"""(n, views · channels, height, width), any scale."""
SHOWN, ACROSS = 20, 5
NARROW = 17
"""Characters of a name that fit above a picture."""
RIGHT, WRONG = "0.15", COLOURS[2]
Row = Mapping[str, Any]
"""method, noise (a level's name), summary (of the repeats' accuracies), study (the study's own number, or None)."""


@styled
def samples(
    pictures: Pictures, labels: IntArray, class_names: Sequence[str], true: IntArray | None = None, views: int = 1
) -> Figure:
    """The first twenty examples with their observed labels; where the true ones are known, wrong labels are marked."""
    names = [display(name, NARROW) for name in class_names]
    titles = [names[label] for label in labels[:SHOWN]]
    wrong = None
    if true is not None:
        wrong = labels != true
        titles = [
            f"{title}\n(is {names[t]})" if bad else title
            for title, t, bad in zip(titles, true, wrong, strict=False)
        ]  # fmt: skip
    return _gallery(pictures[:SHOWN], titles, wrong, views)


@styled
def suspects(
    pictures: Pictures, observed: Sequence[str], suggested: Sequence[str], wrong: BoolArray | None, views: int = 1
) -> Figure:
    """The most suspicious labels as observed → suggested; where the truth is known, really wrong ones are marked."""
    pairs = [(display(a, NARROW), display(b, NARROW)) for a, b in zip(observed, suggested, strict=True)]
    gap = " " if all(len(a) + len(b) + 3 <= NARROW for a, b in pairs) else "\n"
    titles = [f"{a} →{gap}{b}" for a, b in pairs]
    return _gallery(pictures[:SHOWN], titles[:SHOWN], wrong, views, "observed → suggested label")


def _gallery(
    pictures: Pictures, titles: Sequence[str], wrong: BoolArray | None, views: int, caption: str = ""
) -> Figure:
    shown = [as_picture(x, views) for x in pictures]
    tall = max((x.shape[0] / x.shape[1] for x in shown), default=1.0)
    width = 1.5 if tall > 0.8 else 2.4
    lines = max((title.count("\n") + 1 for title in titles), default=1)
    figure, panels = grid(-(-len(shown) // ACROSS) or 1, ACROSS, width, width * tall + 0.12 + 0.14 * lines)
    for axes in panels:
        axes.set_axis_off()
    for axes, picture, title, bad in zip(
        panels, shown, titles, wrong if wrong is not None else cycle([False]), strict=False
    ):
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect="equal")
        axes.set_title(title, fontsize=9, color=WRONG if bad else RIGHT, pad=4)
        for spine in axes.spines.values():
            spine.set(visible=True, color=WRONG if bad else "0.7", linewidth=2.2 if bad else 0.8)
    if wrong is not None:
        n = int(np.count_nonzero(wrong[: len(shown)]))
        caption += f"{'; ' if caption else ''}red: the observed label is wrong ({n} of {len(shown)})"
    if caption:
        figure.supxlabel(caption, fontsize=9, color="0.3")
    return figure


def as_picture(x: npt.NDArray[Any], views: int = 1) -> npt.NDArray[np.float32]:
    """Grey (h, w) or coloured (h, w, 3) values from 0 to 1 of an example (views · channels, h, w), its views side by side.

    Each view is stretched to its own range. Three channels are colours; of other numbers the mean is shown.
    """
    parts = np.split(np.asarray(x, dtype=np.float32).reshape(-1, *x.shape[-2:]), views)
    drawn = []
    for part in parts:
        low, high = part.min(), part.max()
        part = (part - low) / (high - low or 1)
        drawn.append(part.transpose(1, 2, 0) if len(part) == 3 else part.mean(axis=0))
    return np.concatenate(drawn, axis=1)


@styled
def embedding(points: FloatArray, labels: IntArray, class_names: Sequence[str], title: str) -> Figure:
    """A reduction to two dimensions (n, 2), a colour for each class; the axes have no units."""
    figure, (axes,) = grid(1, 1, 6.0, 4.6)
    order = np.random.default_rng(0).permutation(len(points))  # no class hides another
    colours = np.array([COLOURS[c % len(COLOURS)] for c in range(len(class_names))])
    size = float(np.clip(16000 / len(points), 3, 16))
    x, y = points[order].T
    axes.scatter(x, y, s=size, c=colours[labels[order]], linewidths=0, alpha=0.7, rasterized=True)
    axes.set(title=title, xticks=[], yticks=[], xlabel="dimension 1 (no unit)", ylabel="dimension 2 (no unit)")
    counts = np.bincount(labels, minlength=len(class_names))
    marks = [Line2D([], [], marker="o", linestyle="", color=colour) for colour in colours]
    texts = [f"{name} ({n:,})" for name, n in zip(display_all(class_names), counts, strict=True)]
    figure.legend(marks, texts, loc="outside right upper", title="Class (examples)", alignment="left")
    return figure


@styled
def matrices(
    estimated: TransitionMatrix,
    std: FloatArray | None = None,
    true: TransitionMatrix | None = None,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "Estimated",
) -> Figure:
    """T[i, j] = P(observed i | true j) as heat maps: the estimate with (std over repeats) in its cells, and the true one."""
    classes = len(estimated)
    names = display_all(class_names) if class_names is not None else None
    panels_of = [(title, estimated, std)] + ([("True", true, None)] if true is not None else [])
    size = float(np.clip(1.4 + 0.8 * classes, 3.2, 8))
    figure, panels = grid(1, len(panels_of), size + 0.3, size, sharey=True)
    for axes, (heading, matrix, spread) in zip(panels, panels_of, strict=True):
        image = axes.imshow(matrix.columns, cmap="Blues", vmin=0, vmax=1)
        axes.grid(False)
        axes.set(title=heading, xlabel="true j")
        ticks = range(classes) if classes <= 10 else []
        axes.set_xticks(ticks, [names[j] if names else str(j) for j in ticks])
        axes.set_yticks(ticks, [names[i] if names else str(i) for i in ticks])
        if names and max(map(len, names)) * classes > 18:
            axes.tick_params(axis="x", rotation=45)
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        if classes <= 10:
            for (i, j), value in np.ndenumerate(matrix.columns):
                text = f"{value:.2f}" if classes > 5 else f"{value:.3f}"
                text += f"\n({spread[i, j]:.3f})" if spread is not None else ""
                colour = "white" if value > 0.65 else RIGHT
                axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=10 if classes <= 5 else 7)
    panels[0].set_ylabel("observed i")
    figure.colorbar(image, ax=panels, fraction=0.03, pad=0.02, shrink=0.8, label="P(observed i | true j)")
    return figure


@styled
def accuracy_by_epoch(
    curves: Mapping[str, FloatArray],
    chance: float | None = None,
    printed: Mapping[str, Mapping[int, float]] = {},
) -> Figure:
    """Accuracy on the clean test set against the epoch: mean and 95 % t interval over repeats, (repeats, epochs) a method.

    `printed`: method → epoch → what a publication has; circles of the method's colour.
    """
    figure, (axes,) = grid(1, 1, 7.0, 4.2)
    for k, (name, values) in enumerate(curves.items()):
        colour, dash = COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS) % len(DASHES)]
        epochs = np.arange(1, values.shape[1] + 1)
        found = [summary(values[:, e].tolist()) for e in range(values.shape[1])]
        mean = [one["mean"] for one in found]
        mark = "o" if len(epochs) == 1 else None
        axes.plot(epochs, mean, dash, color=colour, marker=mark, label=f"{display(name, 48)} (n = {len(values)})")
        if len(values) > 1:
            low, high = [one["low"] for one in found], [one["high"] for one in found]
            axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
        if others := printed.get(name):
            axes.plot(list(others), list(others.values()), "o", color=colour, markerfacecolor="white", zorder=3)
    if chance is not None:
        axes.axhline(chance, color="0.6", linewidth=1, linestyle=":", label="chance")
    longest = max((values.shape[1] for values in curves.values()), default=1)
    bottom, top = axes.get_ylim()  # an interval may leave [0, 1], an accuracy may not
    axes.set(xlabel="Epoch", ylabel="Accuracy on the clean test set", xlim=(0.5, longest + 0.5))
    axes.set_ylim(max(bottom, -0.01), min(top, 1.01))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    circles = "; circles: the study's own numbers" if any(printed.values()) else ""
    legend_below(figure, axes, ncols=2, title=f"Mean and 95 % interval over n repeats{circles}")
    return figure


@styled
def bars(rows: Sequence[Row], order: Sequence[str] = ()) -> Figure:
    """Test accuracy of each method at each noise level with its 95 % interval; hollow: the study's own number.

    `order`: of the levels, if not that in which they are first met.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    met = dict.fromkeys(row["noise"] for row in rows)
    levels = [level for level in order if level in met] or list(met)
    thick = 0.8 / len(levels)
    figure, (axes,) = grid(1, 1, 8.0, max(2.4, (0.3 * len(levels) + 0.12) * len(methods) + 0.9))
    for row in rows:
        level, found = levels.index(row["noise"]), row["summary"]
        y = methods.index(row["method"]) + (level - (len(levels) - 1) / 2) * thick
        axes.barh(y, found["mean"], height=0.9 * thick, color=COLOURS[level % len(COLOURS)], alpha=0.8)
        text, right = f"{found['mean']:.3f}", found["mean"]
        if found["n"] > 1:
            axes.plot([found["low"], found["high"]], [y, y], color=RIGHT, linewidth=1.4)
            text, right = f"{text} ± {(found['high'] - found['low']) / 2:.3f}", max(right, found["high"])
        if row.get("study") is not None:
            axes.plot(row["study"], y, "o", color=RIGHT, fillstyle="none", markersize=6, markerfacecolor="none")
            right = max(right, row["study"])
        axes.annotate(text, (min(right, 1), y), (7, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set(yticks=range(len(methods)), xlim=(0, 1), xlabel="Accuracy on the clean test set")
    axes.set_yticklabels([display(method, 56) for method in methods])
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    marks: list[Any] = [
        Line2D([], [], color=COLOURS[k % len(COLOURS)], linewidth=7, alpha=0.8) for k in range(len(levels))
    ]
    texts = [display(level) for level in levels]
    if any(row["summary"]["n"] > 1 for row in rows):
        marks.append(Line2D([], [], color=RIGHT, linewidth=1.4))
        texts.append("95 % interval of the mean")
    if any(row.get("study") is not None for row in rows):
        marks.append(Line2D([], [], marker="o", linestyle="", color=RIGHT, fillstyle="none"))
        texts.append("the study's number")
    figure.legend(marks, texts, loc="outside lower center", ncols=4)
    return figure
