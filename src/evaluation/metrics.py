"""Numbers that say how good class probabilities are; scikit-learn computes those that need a ranking."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from src.task import FloatArray, IntArray, Probabilities

ECE_BINS = 15
SMALLEST_PROBABILITY = 1e-12
"""Where -log p is cut off, so that one certain mistake does not make the loss infinite."""

METRICS = ("loss", "accuracy", "balanced_accuracy", "macro_f1", "average_precision", "roc_auc", "ece", "recall",
           "precision", "f1")  # fmt: skip
"""What `metrics` reports; recall, precision, f1, average_precision and roc_auc per class (`recall.<class>`)."""
OBSERVED_LOSS = "observed_loss"
"""Mean -log P(observed label | x), by which methods that know T are compared where no label is clean; of validation alone."""
LOWER_IS_BETTER = {
    "loss",
    OBSERVED_LOSS,
    "ece",
    "candidates_at_recall",
    "resolution",
    "resolution_x",
    "resolution_y",
    "resolution_z",
}


def higher_is_better(name: str) -> bool:
    """Whether a larger value of a metric is an improvement; `name` may carry a split and a class (`val/recall.cat`).

    False for loss, ece, candidates, costs, gaps between domains (`val.gap/...`), and everything a strategy minimises (`train/...`).
    """
    split, _, metric = name.rpartition("/")
    if split == "cost" or split.endswith(".gap"):
        return False
    if split == "train":
        return metric == "events_per_second"
    return metric.partition(".")[0] not in LOWER_IS_BETTER


def metric_names(class_names: Sequence[str]) -> list[str]:
    """Class (or domain) names as they stand in metric names: letters, digits, _ and - only, kept distinct."""
    names = [re.sub(r"[^A-Za-z0-9_-]+", "_", name) for name in class_names]
    return names if len(set(names)) == len(names) else [f"{name}_{i}" for i, name in enumerate(names)]


def metrics(
    probabilities: Probabilities, labels: IntArray, weight: FloatArray, class_names: Sequence[str]
) -> dict[str, float]:
    """All metrics of class probabilities (n, C) against labels (n,), each event counted with its weight (n,).

    A class is absent if its labels carry no weight: its own values are NaN, and macro averages (balanced accuracy,
    macro F1, average precision, ROC AUC) run over the classes present. The precision of a class that is present but
    never predicted is 0. ROC AUC is one-vs-rest and NaN if only one class is present. Raises ValueError for empty
    input, labels out of range, or a total weight that is not positive.
    """
    confusion = confusion_matrix(probabilities, labels, weight)
    recall, precision, f1 = _per_class(confusion)
    ranked = [_ranking(labels == c, probabilities[:, c], weight) for c in range(probabilities.shape[1])]
    auc, average_precision = np.array(ranked).T
    per_class = {
        "recall": recall, "precision": precision, "f1": f1, "average_precision": average_precision, "roc_auc": auc
    }  # fmt: skip
    found = {
        "loss": log_loss(probabilities, labels, weight),
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "balanced_accuracy": mean_present(recall),
        "macro_f1": mean_present(f1),
        "average_precision": mean_present(average_precision),
        "roc_auc": mean_present(auc),
        "ece": _ece(probabilities, labels, weight),
    }
    names = metric_names(class_names)
    for metric, values in per_class.items():
        found |= {f"{metric}.{name}": float(value) for name, value in zip(names, values, strict=True)}
    return found


def confusion_matrix(probabilities: Probabilities, labels: IntArray, weight: FloatArray) -> FloatArray:
    """Weight of the events of true class i predicted as j, at [i, j]; shape (C, C). Raises ValueError as `metrics`."""
    n, num_classes = probabilities.shape
    if n == 0:
        raise ValueError("no events to evaluate")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but there are {num_classes} classes")
    if not weight.sum() > 0:
        raise ValueError(f"the event weights sum to {weight.sum()}; a positive sum is needed")
    cell = labels * num_classes + probabilities.argmax(axis=1)
    return weighted_count(cell, weight, num_classes**2).reshape(num_classes, num_classes)


def normalise(confusion: FloatArray, over: Literal["true", "predicted"]) -> FloatArray:
    """Shares of each true class (`over="true"`: efficiencies) or predicted class (`over="predicted"`: purities).

    NaN where that class is empty.
    """
    return divide(confusion, confusion.sum(axis=1 if over == "true" else 0, keepdims=True))


def weighted_count(cells: IntArray, weight: FloatArray, size: int) -> FloatArray:
    """Sum of the weights in each of `size` cells."""
    return np.bincount(cells, weight, size).astype(np.float64, copy=False)


def divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """The ratio, NaN where the denominator is 0; no warnings."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    ratio = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio


def _per_class(confusion: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Recall, precision and F1 of each class; NaN for absent ones."""
    hit, true, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    absent = np.where(true == 0, np.nan, 0.0)
    precision = np.nan_to_num(divide(hit, predicted)) + absent
    return divide(hit, true), precision, divide(2 * hit, true + predicted) + absent


def _ranking(positive: npt.NDArray[np.bool_], score: Probabilities, weight: FloatArray) -> tuple[float, float]:
    """(ROC AUC, average precision) of one class against the rest."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    signal = weight[positive].sum()
    if signal == 0:
        return np.nan, np.nan
    average_precision = average_precision_score(positive, score, sample_weight=weight)
    if weight[~positive].sum() == 0:
        return np.nan, average_precision
    return roc_auc_score(positive, score, sample_weight=weight), average_precision


def log_loss(probabilities: Probabilities, labels: IntArray, weight: FloatArray) -> float:
    """Mean -log p of the label, at most 27.6 for each."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(np.average(-np.log(np.maximum(own, SMALLEST_PROBABILITY)), weights=weight))


def calibration(
    probabilities: Probabilities, labels: IntArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(confidence, accuracy, share of the weight) in 15 equal-width bins of the top probability; empty bins are NaN."""
    top = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.minimum((top * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    mass = weighted_count(bins, weight, ECE_BINS)
    confidence = divide(weighted_count(bins, weight * top, ECE_BINS), mass)
    accuracy = divide(weighted_count(bins, weight * correct, ECE_BINS), mass)
    return confidence, accuracy, mass / mass.sum()


def _ece(probabilities: Probabilities, labels: IntArray, weight: FloatArray) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3)."""
    confidence, accuracy, share = calibration(probabilities, labels, weight)
    return float(np.nansum(share * np.abs(accuracy - confidence)))


def mean_present(values: FloatArray) -> float:
    """Mean over the classes that have a value; NaN if none has."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
