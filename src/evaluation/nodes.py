"""What single nodes of a network's last hidden layer know of an event's class and of its domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from src.evaluation.metrics import divide
from src.task import HIDDEN, BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Nodes:
    """W nodes and what each tells of C classes and D domains.

    `classes`, `domains` and `groups` hold purity × efficiency of the cut `activation >= t`, at the best t between two values
    that the node takes, for events of a class, a domain, or a class in a domain among all others. To keep everything is no
    cut: its product is the signal's share, which for a common signal no node may reach. NaN for dead nodes, for those of
    one value, and for signals without weight.
    """

    live: BoolArray
    """(W,): whether a node is above 0 in any event."""
    classes: FloatArray
    """(C, W)."""
    domains: FloatArray
    """(D, W)."""
    groups: FloatArray
    """(C, D, W)."""
    domain_auc: FloatArray
    """(W,): the share of pairs of a source event (domain 0) and another in which the other has the larger activation."""

    @property
    def dead_share(self) -> float:
        return 1 - float(self.live.mean())


def nodes(
    activations: npt.NDArray[np.floating[Any]], labels: IntArray, domain: IntArray, weight: FloatArray,
    num_classes: int, num_domains: int,
) -> Nodes:  # fmt: skip
    """Of activations (n, W), true classes (n,), domains (n,) and weights (n,) ≥ 0.

    Events of hidden class or no weight do not count. Raises ValueError if no other is left.
    """
    counted = (weight > 0) & (labels != HIDDEN)
    if not counted.any():
        raise ValueError("no events to look at")
    values = np.ascontiguousarray(activations[counted].T)
    live: BoolArray = np.any(values > 0, axis=1)
    group = labels[counted] * num_domains + domain[counted]
    scan = _Scan(group, weight[counted], num_classes, num_domains)
    best = np.full((len(scan.signals) - 1, len(values)), np.nan)
    auc = np.full(len(values), np.nan)
    for node in np.flatnonzero(live):
        best[:, node], auc[node] = scan.best_and_area(values[node])
    classes, domains, groups = np.split(best, [num_classes, num_classes + num_domains])
    return Nodes(live, classes, domains, groups.reshape(num_classes, num_domains, -1), auc)


def most_telling(best: FloatArray) -> IntArray:
    """The node with the largest value of each signal (..., W); -1 where none has one."""
    known = ~np.isnan(best).all(axis=-1)
    return np.where(known, np.where(np.isnan(best), -np.inf, best).argmax(axis=-1), -1)


def correlation(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """Spearman's ρ of two signals over the nodes (W,) that have both, and the p of no correlation; NaN for less than three.

    Nodes that differ in how often they are active reach high or low products for all signals alike: ρ > 0 by itself does
    not say that nodes which know the one know the other.
    """
    from scipy.stats import spearmanr

    both = ~np.isnan(first) & ~np.isnan(second)
    if both.sum() < 3 or np.ptp(first[both]) == 0 or np.ptp(second[both]) == 0:
        return np.nan, np.nan
    found = spearmanr(first[both], second[both])
    return float(found.statistic), float(found.pvalue)


class _Scan:
    """All cuts on one node after the other. Its arrays are made once: to get memory takes longer than to use it."""

    def __init__(self, group: IntArray, weight: FloatArray, num_classes: int, num_domains: int) -> None:
        n, groups = len(group), num_classes * num_domains
        self.weight = np.zeros((groups, n))
        self.weight[group, np.arange(n)] = weight
        of_class = np.repeat(np.eye(num_classes), num_domains, axis=1)
        of_domain = np.tile(np.eye(num_domains), num_classes)
        self.signals = np.concatenate([of_class, of_domain, np.eye(groups), np.ones((1, groups))])
        """(signals + 1, groups): which groups are a signal; the last is everything."""
        self.domains = slice(num_classes, num_classes + num_domains)
        self.above, self.found = np.empty((groups, n)), np.empty((len(self.signals), n))

    def best_and_area(self, activation: npt.NDArray[np.floating[Any]]) -> tuple[FloatArray, float]:
        """(the largest purity × efficiency of each signal, the domains' ROC area) of activations (n,)."""
        order = np.argsort(-activation)
        falling = activation[order]
        ends = np.append(falling[:-1] != falling[1:], True)  # equal activations pass a cut together
        np.take(self.weight, order, axis=1, out=self.above, mode="clip")
        np.cumsum(self.above, axis=1, out=self.above)
        np.matmul(self.signals, self.above, out=self.found)
        found, selected = self.found[:-1], self.found[-1]
        total = found[:, -1].copy()
        area = _area(found[self.domains][:, ends])
        np.multiply(found, found, out=found)
        ends[-1] = False  # everything
        np.multiply(found, ends / selected, out=found)
        return divide(found.max(axis=1), np.where(ends.any(), total, 0)), area


def _area(above: FloatArray) -> float:
    """Under the ROC curve of domains 1, 2, ... against domain 0, from weights (D, cuts); NaN if one side has none."""
    source, others = above[0], above[1:].sum(axis=0)
    area = np.trapezoid(others, source) + source[0] * others[0] / 2  # the curve begins at (0, 0)
    pairs = source[-1] * others[-1]
    return float(area / pairs) if pairs else np.nan
