"""How differently a classifier does in two domains: a class's ROC AUC (against the rest) in the first minus that in the second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.evaluation.metrics import mean_present, metric_names
from src.evaluation.working_point import RESAMPLES, interval, resampled, roc_aucs
from src.task import BoolArray, FloatArray, IntArray, Probabilities


def gaps(
    p: Probabilities, labels: IntArray, weight: FloatArray, domain: IntArray, class_names: Sequence[str]
) -> dict[str, float]:
    """`roc_auc.<class>`, of either sign, and `roc_auc`, the mean of their absolute values, of probabilities (n, C).

    The first domain is the one of the smaller number. NaN where a class, or all others, have no weight in a domain; the
    mean runs over the classes that have a value. Raises ValueError unless there are exactly two domains.
    """
    first, second = _halves(domain)
    gap = _aucs(p[first], labels[first], weight[None, first]) - _aucs(p[second], labels[second], weight[None, second])
    return {"roc_auc": mean_present(np.abs(gap[0])), **_named(gap[0], class_names)}


def gap_interval(
    p: Probabilities, labels: IntArray, weight: FloatArray, domain: IntArray, class_names: Sequence[str],
    rng: np.random.Generator, resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """95 % bootstrap intervals of `gaps`, over the events of each domain: of a class, the percentiles.

    Of `roc_auc`, its value ± the 95th percentile of the mean |resampled gap - gap|, not below 0. That holds the true value
    at least as often (triangle inequality), where percentiles of a mean of absolute values never hold 0.
    """
    found = gaps(p, labels, weight, domain, class_names)
    first, second = _halves(domain)
    blocks = zip(resampled(int(first.sum()), rng, resamples), resampled(int(second.sum()), rng, resamples), strict=True)
    redrawn = np.concatenate([
        _aucs(p[first], labels[first], a * weight[first]) - _aucs(p[second], labels[second], b * weight[second])
        for a, b in blocks
    ])  # fmt: skip
    middle, names = found.pop("roc_auc"), list(found)
    moved = np.abs(redrawn - np.array([found[name] for name in names]))
    _, margin = interval([mean_present(row) for row in moved], level=0.9)  # the 95th percentile
    by_class = {name: interval(values) for name, values in zip(names, redrawn.T, strict=True)}
    return {"roc_auc": (float(np.maximum(0, middle - margin)), middle + margin), **by_class}


def _aucs(p: Probabilities, labels: IntArray, weights: FloatArray) -> FloatArray:
    """(k, C) for weights (k, n)."""
    return np.stack([roc_aucs(p[:, c], labels == c, weights) for c in range(p.shape[1])], axis=1)


def _halves(domain: IntArray) -> tuple[BoolArray, BoolArray]:
    present = np.unique(domain)
    if len(present) != 2:
        raise ValueError(f"a gap is between two domains; these events have {len(present)}")
    return domain == present[0], domain == present[1]


def _named(gap: FloatArray, class_names: Sequence[str]) -> dict[str, float]:
    return {f"roc_auc.{name}": float(one) for name, one in zip(metric_names(class_names), gap, strict=True)}
