"""Figures of a study: configurations, history, slices, heat map, importance, paired differences, Pareto front."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from src.evaluation.style import COLOURS, grid, styled

MOST = 30  # configurations in one figure
BEST, PLAIN, BASELINE, BAD = COLOURS[0], COLOURS[3], COLOURS[1], COLOURS[2]
WORD = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^ "])+')  # of a label; quoted values may hold spaces
Row = Mapping[str, Any]
"""A configuration: number, label, status, params, values (metric → number), summary, seeds, feasible, baseline."""


def short_labels(rows: Sequence[Row]) -> list[str]:
    """Labels without the parts that all rows share; keys by their last word where that is unambiguous."""
    parts = [WORD.findall(row["label"]) for row in rows]
    common = set.intersection(*(set(part) for part in parts)) if len(parts) > 1 else set()
    keys = {text.partition("=")[0] for part in parts for text in part}
    lasts = [key.rpartition(".")[2] for key in keys]

    def written(text: str, most: int) -> str:
        key, _, value = text.partition("=")
        last = key.rpartition(".")[2]
        value = value if len(value) <= most else value[: most - 1] + "…"
        return f"{last if lasts.count(last) == 1 else key}={value}"

    def short(most: int) -> list[str]:
        lines = [" ".join(written(text, most) for text in part if text not in common) for part in parts]
        return [line.replace("$", r"\$") or "defaults" for line in lines]

    found = short(24)
    return found if len(set(found)) == len({tuple(part) for part in parts}) else short(1 << 20)


def _labelled(n: int, width: float = 8.0) -> tuple[Figure, Any]:
    figure, (axes,) = grid(1, 1, width, max(2.2, 0.32 * n + 0.9))
    axes.set_ylim(n - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    return figure, axes


def configurations(rows: Sequence[Row], metric: str, seeds: int) -> Figure:
    """Mean and 95 % interval of each configuration, its seeds as small dots, best first; the baseline as a line."""
    shown = [row for row in rows if metric in row["summary"]][:MOST]
    return ranked(shown, short_labels(shown), metric, seeds)


@styled
def ranked(rows: Sequence[Row], labels: Sequence[str], metric: str, seeds: int) -> Figure:
    """The same of rows with these labels, from the top in their order."""
    figure, axes = _labelled(len(rows))
    best = next((row for row in rows if row["feasible"]), None)
    for y, row in enumerate(rows):
        found = row["summary"][metric]
        colour = BASELINE if row["baseline"] else BEST if row is best else "0.35"
        seeds_here = [one["values"][metric] for one in row["seeds"].values() if metric in one["values"]]
        axes.plot(seeds_here, [y + 0.22] * len(seeds_here), ".", color=colour, alpha=0.45, markersize=4)
        if found["n"] > 1:
            axes.plot([found["low"], found["high"]], [y, y], color=colour, linewidth=1.6)
        axes.plot(found["mean"], y, "o", color=colour, markersize=6)
    baseline = next((row for row in rows if row["baseline"]), None)
    if baseline is not None:
        x = baseline["summary"][metric]["mean"]
        axes.axvline(x, color=BASELINE, linewidth=1, linestyle="--", zorder=0)
        axes.annotate(
            "baseline", (x, 1), xycoords=axes.get_xaxis_transform(), ha="center", va="bottom", color="0.3", fontsize=9
        )
    axes.set_yticks(range(len(rows)), labels)
    axes.set_xlabel(f"{metric}\n(mean and 95 % interval over {seeds} seeds; small dots: seeds)")
    return figure


@styled
def history(rows: Sequence[Row], metric: str, maximize: bool) -> Figure:
    """The objective in the order of the trials and the best so far; what was pruned or failed as marks below."""
    figure, (axes,) = grid(1, 1, 7.0, 3.6)
    ordered = sorted(rows, key=lambda row: row["number"])
    done = [row for row in ordered if metric in row["values"]]
    y = [row["values"][metric] for row in done]
    for allowed, label, fill in ((True, "configuration", "full"), (False, "violates a constraint", "none")):
        of = [row for row in done if row["feasible"] == allowed]
        x, values = [row["number"] for row in of], [row["values"][metric] for row in of]
        if of:
            axes.plot(x, values, "o", color=BEST, markersize=4, label=label, fillstyle=fill)
        if of and allowed:
            best = (np.maximum if maximize else np.minimum).accumulate(values)
            axes.step(x, best, where="post", color=COLOURS[6], label="best so far")
    floor = min(y) - 0.06 * (max(y) - min(y) or 1)
    for status, marker in (("pruned", "|"), ("failed", "x")):
        at = [row["number"] for row in ordered if row["status"] == status]
        if at:
            axes.plot(at, [floor] * len(at), marker, color=BAD, label=status, markersize=7)
    axes.set_xlabel("trial")
    axes.set_ylabel(metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")
    return figure


@styled
def slices(rows: Sequence[Row], metric: str, dimensions: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel for each thing that varied: the objective against its value."""
    columns = min(3, len(dimensions))
    figure, axes = grid(-(-len(dimensions) // columns), columns, 3.6, 3.0, sharey=True)
    for panel, dimension in zip(axes, dimensions, strict=False):
        key = dimension["key"]
        found = [
            (row["params"][key], row["values"][metric])
            for row in rows
            if key in row["params"] and metric in row["values"]
        ]
        numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value, _ in found)
        if numeric:
            panel.plot([value for value, _ in found], [y for _, y in found], "o", color=BEST, markersize=4, alpha=0.7)
            positive = [value for value, _ in found if value > 0]
            if dimension.get("log") or (len(positive) == len(found) and found and max(positive) / min(positive) > 50):
                panel.set_xscale("log")
        else:
            names = sorted({str(value) for value, _ in found})
            panel.plot(
                [names.index(str(value)) for value, _ in found],
                [y for _, y in found],
                "o",
                color=BEST,
                markersize=4,
                alpha=0.7,
            )
            turned = max((len(name) for name in names), default=0) * len(names) > 24
            panel.set_xticks(range(len(names)), names, rotation=30 if turned else 0, ha="right" if turned else "center")
            panel.set_xlim(-0.5, len(names) - 0.5)
        panel.set_xlabel(key)
    for panel in axes[len(dimensions) :]:
        panel.set_visible(False)
    for panel in axes[::columns]:
        panel.set_ylabel(metric)
    return figure


@styled
def heat_map(rows: Sequence[Row], metric: str, keys: tuple[str, str], maximize: bool) -> Figure:
    """Mean ± standard deviation over the seeds for every pair of values of two things that varied; the best framed."""
    across, up = (sorted({row["params"][key] for row in rows}, key=_order) for key in keys)
    middle, spread = np.full((2, len(up), len(across)), np.nan)
    for row in rows:
        cell = up.index(row["params"][keys[1]]), across.index(row["params"][keys[0]])
        middle[cell], spread[cell] = row["summary"][metric]["mean"], row["summary"][metric]["sd"]
    figure, (axes,) = grid(1, 1, max(4.2, 1.05 * len(across) + 2.2), max(2.6, 0.72 * len(up) + 1.0))
    image = axes.imshow(middle, cmap="viridis" if maximize else "viridis_r", origin="lower", aspect="auto")
    axes.grid(False)
    low, high = np.nanmin(middle), np.nanmax(middle)
    best = np.unravel_index(np.nanargmax(middle) if maximize else np.nanargmin(middle), middle.shape)
    for (i, j), value in np.ndenumerate(middle):
        bright = (value - low) / (high - low or 1) > 0.6
        text = (
            "–" if np.isnan(value) else f"{value:.3f}" + ("" if np.isnan(spread[i, j]) else f"\n± {spread[i, j]:.3f}")
        )
        colour = "0.15" if bright == maximize or np.isnan(value) else "white"
        axes.text(j, i, text, ha="center", va="center", fontsize=9, color=colour)
    axes.add_patch(Rectangle((best[1] - 0.48, best[0] - 0.46), 0.96, 0.92, fill=False, edgecolor=BAD, linewidth=2.2))
    axes.set_xticks(range(len(across)), map(str, across))
    axes.set_yticks(range(len(up)), map(str, up))
    axes.set_xlabel(keys[0])
    axes.set_ylabel(keys[1])
    seeds = {len(row["seeds"]) for row in rows}
    n = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
    figure.colorbar(image, ax=axes, label=f"{metric}\n(mean ± sd, {n} seeds)")
    return figure


def _order(value: Any) -> tuple[bool, Any]:
    """Numbers first."""
    number = isinstance(value, (int, float))
    return not number, value if number else str(value)


@styled
def importance(shares: Mapping[str, float], metric: str) -> Figure:
    """Share of the objective's variation that each dimension explains (fANOVA, Hutter 2014)."""
    figure, axes = _labelled(len(shares), 6.5)
    names = list(shares)
    axes.barh(range(len(names)), [shares[name] for name in names], color=BEST, height=0.6)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(f"importance for {metric} (fANOVA, shares of 1)")
    axes.set_xlim(0, 1)
    return figure


@styled
def differences(comparisons: Sequence[tuple[Row, Mapping[str, Any]]], metric: str, baseline: Row) -> Figure:
    """Paired difference of each configuration from the baseline, with its 95 % BCa interval."""
    shown = list(comparisons)[:MOST]
    figure, axes = _labelled(len(shown))
    axes.axvline(0, color=BASELINE, linewidth=1, linestyle="--")
    for y, (_, found) in enumerate(shown):
        claimed = found["verdict"] in {"better", "worse"}
        colour = (BEST if found["verdict"] == "better" else BAD) if claimed else "0.35"
        if found["n"] > 1:
            axes.plot([found["low"], found["high"]], [y, y], color=colour, linewidth=1.6)
        axes.plot(found["mean"], y, "o", color=colour, markersize=6, fillstyle="full" if claimed else "none")
    *labels, from_label = short_labels([*(row for row, _ in shown), baseline])
    axes.set_yticks(range(len(shown)), labels)
    n = int(min((found["n"] for _, found in shown), default=0))
    axes.set_xlabel(
        f"difference in {metric}\nfrom {from_label[:70]}\n(mean over {n} paired seeds and 95 % BCa interval; full: significant)"
    )
    return figure


@styled
def pareto(rows: Sequence[Row], front: Sequence[Row], metrics: Sequence[str]) -> Figure:
    """Two objectives against each other; the front joined by a line."""
    x, y = metrics[:2]
    figure, (axes,) = grid(1, 1, 6.0, 4.2)
    for allowed, label, fill in ((True, "dominated", "full"), (False, "violates a constraint", "none")):
        of = [row for row in rows if x in row["values"] and row["feasible"] == allowed]
        if of:
            across, up = [row["values"][x] for row in of], [row["values"][y] for row in of]
            axes.plot(across, up, "o", color=PLAIN, label=label, fillstyle=fill)
    ordered = sorted(front, key=lambda row: row["values"][x])
    axes.plot(
        [row["values"][x] for row in ordered],
        [row["values"][y] for row in ordered],
        "o-",
        color=BEST,
        label="Pareto front",
    )
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(loc="best")
    return figure
