"""Tables of the tau-neutrino study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from src.evaluation.metrics import normalise
from src.evaluation.statistics import summary
from src.reproduce.nugraph_arms import FACTORS, ORIGINAL, PLAIN, REPEATED, WEIGHTED, Arm
from src.reproduce.nugraph_findings import Findings, average, confusion, differences, tests
from src.reproduce.sweeps import Configuration
from src.reproduce.tables import Row, spread

METRICS = {
    "tau recall": "recall.cc_nutau", "tau precision": "precision.cc_nutau", "tau F1": "f1.cc_nutau", "macro-F1": "macro_f1",
    "balanced accuracy": "balanced_accuracy",
}  # fmt: skip
RANKED = {"tau ROC AUC": "roc_auc.cc_nutau", "tau average precision": "average_precision.cc_nutau"}
"""Of scores, whatever the cut between classes."""
BATCH = 32


def interval(values: Iterable[float], sign: str = "") -> str:
    """Mean and 95 % t interval; `sign` "+": of a difference."""
    one = summary(list(values))
    if one["n"] < 2:
        return f"{one['mean']:{sign}.3f}"
    return f"{one['mean']:{sign}.3f} ({one['low']:{sign}.3f} to {one['high']:{sign}.3f})"


def events(found: Findings) -> list[Row]:
    """Events of each part by class, and how many a batch holds on average; of the first seed's split."""
    splits = found.splits
    parts = {"training": splits.train, "validation": splits.val, "test": splits.test}
    counts = {name: np.bincount(part.clean, minlength=len(found.classes)) for name, part in parts.items()}
    rows = [{"": name, **_cells(found, [f"{n:,}" for n in count])} for name, count in counts.items()]
    for name, count in found.drawn.items():
        mean = BATCH * count / count.sum()
        rows.append({"": f"of {BATCH} ({name})", **_cells(found, [f"{n:.1f}" for n in mean])})
    return rows


def _cells(found: Findings, texts: Iterable[str]) -> Row:
    return dict(zip(found.classes, texts, strict=True))


def ablation(found: Findings) -> list[Row]:
    """Every arm on its test events."""
    return [{"training": arm.name, **_measured(one), "n": f"{len(one.runs)}"} for arm, one in found.arms.items()]


def against_original(found: Findings) -> list[Row]:
    """Every other arm less the original, paired by seed."""
    return [
        {"training": arm.name, **_differences(one, found.arms[ORIGINAL])}
        for arm, one in found.arms.items()
        if arm != ORIGINAL
    ]


def effects(found: Findings) -> list[Row]:
    """What each modification adds, the mean over all settings of the other two."""
    rows = []
    for factor in FACTORS:
        each = {title: found.effect(factor, f"test/{metric}") for title, metric in METRICS.items()}
        if all(each.values()):
            rows.append({"modification": factor, **{title: interval(values, "+") for title, values in each.items()}})
    return rows


def trees(found: Findings) -> list[Row]:
    """Boosted trees on hits and charge beside the networks, on the same splits."""
    rows = [
        {"classifier": name, **_of({title: [one[m] for one in each] for title, m in _all().items()})}
        for name, each in found.trees.items()
    ]
    shown = dict.fromkeys(arm for arm in (ORIGINAL, Arm("cross-entropy"), WEIGHTED, found.best) if arm in found.arms)
    for arm in shown:
        one, chosen = found.arms[arm], " (best on validation)" * (arm == found.best)
        each = {title: list(one.metric(f"test/{m}").values()) for title, m in _all().items()}
        rows.append({"classifier": f"NuGraph, {arm.name}{chosen}", **_of(each)})
    return rows


def _all() -> dict[str, str]:
    return {**METRICS, **RANKED}


def _of(each: Mapping[str, Iterable[float]]) -> Row:
    return {title: interval(values) for title, values in each.items()}


def new_tau(found: Findings) -> list[Row]:
    """New tau events, repeats, neither; below, the differences, paired by seed."""
    rows = [{"training on": name, **_measured(one)} for name, one in found.tau.items()]
    for base in (PLAIN, REPEATED):
        for name, one in found.tau.items():
            if base in found.tau and name not in (PLAIN, base):
                rows.append({"training on": f"{name}, less {base}", **_differences(one, found.tau[base])})
    return rows


def lengths(found: Findings) -> list[Row]:
    """The original and the modified network after a shorter and the whole training, and the average of each one's seeds."""
    rows = []
    for key, one in found.lengths.items():
        name, mean = found.title(key), average(one, found.classes)
        rows.append({"training": name, **_measured(one)})
        cells = {title: f"{mean[metric]:.3f}" for title, metric in METRICS.items()}
        rows.append({"training": f"{name}: average of the {len(one.runs)}", **cells})
    return rows


def matrix(found: Findings, over: Literal["true", "predicted"]) -> list[Row]:
    """Confusion matrices of the test events, share (mean number over seeds): rows are true classes from the last to the first."""
    rows = []
    for key, one in found.lengths.items():
        counts = confusion(tests(one))
        share = normalise(counts, over)
        for c in reversed(range(len(found.classes))):
            each = zip(share[c], counts[c], strict=True)
            cells = ["–" if np.isnan(part) else f"{part:.2f} ({n:.0f})" for part, n in each]
            called = {f"called {name}": cell for name, cell in zip(found.classes, cells, strict=True)}
            rows.append({"training": found.title(key), "true class": found.classes[c], **called})
    return rows


def hits(found: Findings) -> list[Row]:
    """Classes of hits: mean (sd) over seeds."""
    rows = []
    for arm in dict.fromkeys((ORIGINAL, found.best)):
        one, (_, names) = found.arms[arm], found.semantic(arm)
        for kind in ("recall", "precision"):
            cells = {name: spread(one.metric(f"test/semantic/{kind}.{name}").values()) for name in names}
            rows.append({"training": arm.name, "": kind, **cells})
    return rows


def _measured(one: Configuration) -> Row:
    return _of({title: one.metric(f"test/{metric}").values() for title, metric in METRICS.items()})


def _differences(one: Configuration, base: Configuration) -> Row:
    return {
        title: interval(differences(one, base, f"test/{metric}").values(), "+") for title, metric in METRICS.items()
    }
