"""Purity and efficiency of a selection `p(class) >= cut`, at the sample's or at another class mix.

Efficiency: selected signal / signal. Purity: selected signal / all selected. Both count event weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.evaluation.metrics import confusion_matrix, divide, metric_names, weighted_count
from src.evaluation.working_point import at_recall, average_precisions

if TYPE_CHECKING:
    from src.task import FloatArray, IntArray, Probabilities

CUTS: FloatArray = np.arange(99) / 100
"""0 to 0.98 in steps of 0.01."""


@dataclass(frozen=True)
class CutScan:
    """Purity and efficiency at K cuts, shape (C, K); NaN where nothing is selected or there is no signal."""

    cuts: FloatArray
    purity: FloatArray
    efficiency: FloatArray

    @property
    def product(self) -> FloatArray:
        return self.purity * self.efficiency

    def best(self, c: int) -> int | None:
        """Position of the first cut with the largest purity x efficiency for a class; None if it has no value."""
        product = self.product[c]
        return None if np.isnan(product).all() else int(np.nanargmax(product))


def scan(probabilities: Probabilities, labels: IntArray, weight: FloatArray, cuts: FloatArray = CUTS) -> CutScan:
    """Purity and efficiency of every class at ascending cuts on its probability."""
    num_classes = probabilities.shape[1]
    passed = np.searchsorted(cuts, probabilities.astype(np.float64), side="right")  # (n, C): how many cuts are <= p
    selected = _above(passed, np.arange(num_classes), weight[:, None], len(cuts), num_classes)
    signal = _above(passed[np.arange(len(labels)), labels], labels, weight, len(cuts), num_classes)
    return CutScan(cuts, purity=divide(signal, selected)[:, 1:], efficiency=divide(signal[:, 1:], signal[:, :1]))


def _above(passed: IntArray, classes: IntArray, weight: FloatArray, num_cuts: int, num_classes: int) -> FloatArray:
    """(C, 1 + K): weight of the entries of each class, of all and of those that pass each cut."""
    cell, weight = np.broadcast_arrays(classes * (num_cuts + 1) + passed, weight)
    histogram = weighted_count(cell.ravel(), weight.ravel(), num_classes * (num_cuts + 1)).reshape(num_classes, -1)
    return histogram[:, ::-1].cumsum(axis=1)[:, ::-1]


def natural_weight(labels: IntArray, weight: FloatArray, prior: Sequence[float]) -> FloatArray:
    """Weights (n,) under which the class mix is the prior: w_i * prior[c] / share[c].

    All NaN if a class of the prior is absent from the sample: nothing can be said about that mix. Raises ValueError if
    the prior does not fit the labels.
    """
    mix = np.asarray(prior, dtype=np.float64)
    if (mix < 0).any() or not mix.sum() > 0 or (len(labels) and labels.max() >= len(mix)):
        raise ValueError(f"prior {list(prior)}: give one non-negative share per class")
    share = weighted_count(labels, weight, len(mix)) / weight.sum()
    if ((mix > 0) & (share == 0)).any():
        return np.full(len(labels), np.nan)
    return weight * divide(mix / mix.sum(), share)[labels]


CUT_METRICS = (
    "best_cut", "purity", "efficiency", "purity_x_efficiency", "precision_at_recall", "candidates_at_recall", "natural",
)  # fmt: skip


def cut_metrics(
    probabilities: Probabilities,
    labels: IntArray,
    weight: FloatArray,
    class_names: Sequence[str],
    natural_prior: Sequence[float] | None = None,
    recall: float | None = None,
) -> dict[str, float]:
    """`best_cut`, `purity`, `efficiency` and `purity_x_efficiency` of each class where their product is largest.

    With a recall, `precision_at_recall` and `candidates_at_recall`: the smallest selection by score that holds this share of a
    class. With a prior, the same at that class mix under `natural.`, and `natural.average_precision.<class>`, and
    `natural.accuracy` and `natural.precision.<class>` of the most probable class.
    """
    names = metric_names(class_names)
    found = _best_cuts(scan(probabilities, labels, weight), names)
    found |= _at_recall(probabilities, labels, weight, names, recall)
    if natural_prior is None:
        return found
    natural = natural_weight(labels, weight, natural_prior)
    at_prior = _best_cuts(scan(probabilities, labels, natural), names)
    at_prior |= _at_recall(probabilities, labels, natural, names, recall)
    for c, name in enumerate(names):
        mean = average_precisions(probabilities[:, c], labels == c, natural[None, :])
        at_prior[f"average_precision.{name}"] = float(mean[0])
    if np.isnan(natural).any():
        confusion = np.full((len(names), len(names)), np.nan)
    else:
        confusion = confusion_matrix(probabilities, labels, natural)
    at_prior["accuracy"] = float(np.trace(confusion) / confusion.sum())
    precision = divide(confusion.diagonal(), confusion.sum(axis=0))
    at_prior |= {f"precision.{name}": float(value) for name, value in zip(names, precision, strict=True)}
    return found | {f"natural.{name}": value for name, value in at_prior.items()}


def _at_recall(
    probabilities: Probabilities, labels: IntArray, weight: FloatArray, names: Sequence[str], recall: float | None
) -> dict[str, float]:
    found: dict[str, float] = {}
    for c, name in enumerate(names if recall is not None else ()):
        point = at_recall(probabilities[:, c], labels == c, weight, recall or 0.0)
        found[f"precision_at_recall.{name}"], found[f"candidates_at_recall.{name}"] = point.precision, point.candidates
    return found


def _best_cuts(scanned: CutScan, names: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    quantities = {"purity": scanned.purity, "efficiency": scanned.efficiency, "purity_x_efficiency": scanned.product}
    for c, name in enumerate(names):
        k = scanned.best(c)
        found[f"best_cut.{name}"] = np.nan if k is None else float(scanned.cuts[k])
        for quantity, values in quantities.items():
            found[f"{quantity}.{name}"] = np.nan if k is None else float(values[c, k])
    return found
