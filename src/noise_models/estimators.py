"""How a transition matrix is estimated from a classifier's probabilities and the observed labels.

`p` (n, C) are estimates of P(observed label | x) for examples that the classifier was not trained on; `labels` (n,) are
their observed labels. T[i, j] = P(observed i | true j).
"""

from __future__ import annotations

import numpy as np

from src.errors import UserError
from src.task import FloatArray, IntArray, class_counts
from src.transition_matrix import TransitionMatrix

SLACK = 1e-6
"""By how much probabilities may fall short of one another and still count as equal."""


LEAST = 10
"""Examples of each observed class, in every fold, below which nothing is estimated."""


def anchor(p: FloatArray, quantile: float = 0.97) -> TransitionMatrix:
    """Columns read off anchor points: column j is the mean of p at the examples where p_j lies at its quantile.

    quantile=1 takes the largest (Patrini 2017, equation 12), which picks the most over-confident point; .97 is that
    paper's own practice. Averaged over about one in a thousand examples next to the quantile, at least one.
    """
    n = len(p)
    wanted = max(1, n // 1000) if quantile < 1 else 1
    columns = []
    for j in range(p.shape[1]):
        order = np.argsort(p[:, j], kind="stable")
        at = min(n - 1, int(np.floor(quantile * (n - 1))))
        low = max(0, min(at - wanted // 2, n - wanted))
        columns.append(p[order[low : low + wanted]].mean(axis=0))
    return normalised(np.array(columns).T)


def confident_joint(p: FloatArray, labels: IntArray) -> IntArray:
    """Counts (C, C): row s, column j has the examples labelled s that are confidently of class j (Northcutt 2021, eq. 1).

    Confident: p_j is at least the mean of p_j over the examples labelled j; of several such classes the most probable.
    """
    found = confident_class(p, labels)
    sure = found >= 0
    counts = np.zeros((p.shape[1], p.shape[1]), dtype=np.int64)
    np.add.at(counts, (labels[sure], found[sure]), 1)
    return counts


def confident_class(p: FloatArray, labels: IntArray) -> IntArray:
    """The class that each example is confidently of, (n,); -1 where there is none.

    Of several the most probable, as cleanlab has it: of all classes, while equation 1 says of the confident ones.
    """
    num_classes = p.shape[1]
    thresholds = np.array([p[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(num_classes)])
    above = p >= thresholds - SLACK
    several = above.sum(axis=1) > 1
    return np.where(above.any(axis=1), np.where(several, p.argmax(axis=1), above.argmax(axis=1)), -1)


def confident(p: FloatArray, labels: IntArray) -> TransitionMatrix:
    """T from the confident joint, its rows scaled to the counts of the observed labels."""
    counts = confident_joint(p, labels).astype(np.float64)
    observed = class_counts(labels, p.shape[1])
    rows = counts.sum(axis=1)
    joint = counts * np.divide(observed, rows, out=np.zeros_like(rows), where=rows > 0)[:, None]
    return normalised(joint)


def dual_t(p: FloatArray, labels: IntArray, quantile: float = 0.97) -> TransitionMatrix:
    """T = T₂ T₁ through the predicted label (Yao 2020): T₁ by anchor points, T₂ by counting.

    Meant for over-confident networks, whose T₁ is near the identity; with a calibrated posterior the noise is counted
    twice.
    """
    num_classes = p.shape[1]
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (labels, p.argmax(axis=1)), 1)
    return TransitionMatrix(normalised(counts).columns @ anchor(p, quantile).columns)


def em_step(matrix: TransitionMatrix, p: FloatArray, labels: IntArray) -> TransitionMatrix:
    """The M-step for T with p (n, C) a model of P(true | x) (Bootkrajang 2012, equation 7, with the normaliser per true class).

    The log-likelihood Σ log (T p)[label] never falls. Zeros of T stay zero; the identity is a fixed point.
    """
    joint = matrix.columns[labels] * p
    share = joint / np.maximum(joint.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    counts = np.zeros_like(matrix.columns)
    np.add.at(counts, labels, share)
    return normalised(counts)


def normalised(weights: FloatArray) -> TransitionMatrix:
    """Columns scaled to sum 1; one without any weight becomes that of the identity."""
    weights = np.clip(np.asarray(weights, dtype=np.float64), 0, None)
    sums = weights.sum(axis=0)
    return TransitionMatrix(np.where(sums > 0, weights / np.where(sums > 0, sums, 1), np.eye(len(weights))))


def error(estimate: TransitionMatrix, truth: TransitionMatrix) -> float:
    """Mean over the columns of the absolute differences' sum: 0 (equal) to 2."""
    return float(np.abs(estimate.columns - truth.columns).sum() / len(truth))


def enough(labels: IntArray, class_names: tuple[str, ...], least: int, why: str) -> None:
    """Raises UserError unless every class is observed at least so often."""
    counts = class_counts(labels, len(class_names))
    worst = int(counts.argmin())
    if counts[worst] < least:
        raise UserError(
            f"too few examples to estimate the label noise: {counts[worst]} training examples are labelled "
            f"'{class_names[worst]}', and {why} need at least {least} of each class"
        )
