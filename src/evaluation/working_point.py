"""How good a ranking is for finding a class: the candidates that hold a share of it, its average precision and ROC area, and their error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from src.evaluation.metrics import divide
from src.task import BoolArray, FloatArray

Score = npt.NDArray[np.floating[Any]]

RESAMPLES = 1000
AT_ONCE = 50
"""Resamples in memory at a time."""


@dataclass(frozen=True)
class WorkingPoint:
    """The selection `score >= cut`; counts are sums of weights."""

    cut: float
    found: float
    """Of the class."""
    candidates: float
    """All that is selected and has to be looked at."""
    total: float
    """Of the class, selected or not."""

    @property
    def precision(self) -> float:
        return self.found / self.candidates if self.candidates else np.nan

    @property
    def recall(self) -> float:
        return self.found / self.total if self.total else np.nan

    @property
    def relative_error(self) -> float:
        """Of precision and recall, from the √N of what was found."""
        return self.found**-0.5 if self.found else np.nan


def at_recall(score: Score, positive: BoolArray, weight: FloatArray, recall: float) -> WorkingPoint:
    """The smallest selection by score (n,) that holds at least that share of the positives (n,); equal scores stay together.

    All NaN if there is no positive, or a weight is NaN.
    """
    total = float(weight[positive].sum())
    if not total > 0:
        return WorkingPoint(np.nan, np.nan, np.nan, total)
    cut, found, candidates = at_recalls(score, positive, weight[None, :], np.array([recall]))
    return WorkingPoint(float(cut[0]), float(found[0]), float(candidates[0]), total)


def at_recalls(
    score: Score, positive: BoolArray, weights: FloatArray, recalls: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(cut, weight of positives, weight of all) of the selection `at_recall`, for each row of weights (k, n) at its recall (k,)."""
    ranked = _Ranked(score, positive)
    found, selected = ranked.cumulated(weights)
    asked = recalls * found[:, -1] * (1 - 1e-12)  # a sum of weights may miss the total by a rounding
    place = np.argmax(found >= asked[:, None], axis=1)
    row = np.arange(len(weights))
    return ranked.cuts[place].astype(np.float64), found[row, place], selected[row, place]


def average_precisions(score: Score, positive: BoolArray, weights: FloatArray) -> FloatArray:
    """sum over falling cuts of (recall gained) · precision, for each row of weights (k, n): (k,); NaN without positives.

    What scikit-learn's average_precision_score gives one at a time.
    """
    ranked = _Ranked(score, positive)
    in_order = weights[:, ranked.order]
    hits = np.flatnonzero(ranked.hits)  # recall grows there alone
    end = ranked.ends[np.searchsorted(ranked.ends, hits)]
    gained, selected = in_order[:, hits], in_order.cumsum(axis=1)[:, end]
    found = gained.cumsum(axis=1)[:, np.searchsorted(end, end, side="right") - 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(selected > 0, found / selected, 0.0)
        mean: FloatArray = (gained * precision).sum(axis=1) / gained.sum(axis=1)
    return mean


def roc_aucs(score: Score, positive: BoolArray, weights: FloatArray) -> FloatArray:
    """Area under the ROC curve for each row of weights (k, n): (k,); equal scores count half, NaN without positives or without others.

    What scikit-learn's roc_auc_score gives one at a time.
    """
    others = np.flatnonzero(~positive)
    rising = others[np.argsort(score[others])]
    below = np.zeros((len(weights), len(others) + 1))  # weight of the others with the lowest 0, 1, 2, ... scores
    np.cumsum(weights[:, rising], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(score[rising], score[positive], side) for side in ("left", "right"))
    right = weights[:, positive]
    beaten = (right * (below[:, first] + below[:, last])).sum(axis=1) / 2
    return divide(beaten, right.sum(axis=1) * below[:, -1])


def resampled(n: int, rng: np.random.Generator, resamples: int = RESAMPLES) -> Iterator[FloatArray]:
    """How often each of n events is in bootstrap samples of n events: blocks (k, n) of some `resamples` rows in all."""
    for start in range(0, resamples, AT_ONCE):
        rows = min(AT_ONCE, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def interval(values: Sequence[float] | FloatArray, level: float = 0.95) -> tuple[float, float]:
    """The percentiles that hold the middle `level` of bootstrapped values; NaN values are left out."""
    if np.isnan(values).all():
        return np.nan, np.nan
    tail = 50 * (1 - level)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def average_precision_interval(
    score: Score, positive: BoolArray, weight: FloatArray, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % bootstrap interval over the events, each with its weight."""
    blocks = resampled(len(score), rng, resamples)
    return interval(np.concatenate([average_precisions(score, positive, block * weight) for block in blocks]))


class _Ranked:
    """Events in the order of falling scores, with the ends of the runs of equal ones."""

    def __init__(self, score: Score, positive: BoolArray) -> None:
        self.order = np.argsort(-score, kind="stable")
        falling = score[self.order]
        self.ends = np.flatnonzero(np.append(falling[:-1] != falling[1:], True))
        self.cuts, self.hits = falling[self.ends], positive[self.order]

    def cumulated(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(weight of the positives, weight of all) at and above each cut, (k, cuts), for weights (k, n)."""
        ranked = weights[:, self.order]
        return (ranked * self.hits).cumsum(axis=1)[:, self.ends], ranked.cumsum(axis=1)[:, self.ends]
