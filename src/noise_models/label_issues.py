"""Which observed labels are suspicious: confident learning (Northcutt 2021).

`p` (n, C) are out-of-sample estimates of P(observed label | x); `labels` (n,) are the observed labels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from src.noise_models.estimators import SLACK, confident_class, confident_joint
from src.task import BoolArray, FloatArray, IntArray, class_counts

By = Literal["class", "noise_rate", "both", "confident_joint"]


def label_issues(p: FloatArray, labels: IntArray, by: By) -> BoolArray:
    """Whether each label is suspicious, (n,); one that is the most probable never is, as in cleanlab.

    class: of each class as many as the joint says are wrong, those with the smallest p of their label. noise_rate: of
    each pair of classes as many as the joint says, those with the largest p of the other class less that of the label.
    both: where these agree. confident_joint: what the joint counts off its diagonal.
    """
    if by == "confident_joint":
        found = confident_class(p, labels)
        issues = (found >= 0) & (found != labels)
    else:
        joint = expected_joint(p, labels)
        ways = {"class": [_by_class], "noise_rate": [_by_noise_rate], "both": [_by_class, _by_noise_rate]}[by]
        issues = np.logical_and.reduce([way(p, labels, joint) for way in ways])
    return issues & (own(p, labels) + SLACK < p.max(axis=1))


def expected_joint(p: FloatArray, labels: IntArray) -> IntArray:
    """How many examples are labelled s and truly j, (C, C): the confident joint, its rows scaled to the labels' counts.

    At least one confident example of each class counts as right.
    """
    counts = confident_joint(p, labels).astype(np.float64)
    np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
    observed = class_counts(labels, p.shape[1])
    return np.stack([_rounded(row / row.sum() * n) for row, n in zip(counts, observed, strict=True)])


def _rounded(row: FloatArray) -> IntArray:
    """The nearest whole numbers with the same sum.

    Of equal remainders the last one gains; cleanlab's choice there depends on an unstable sort, and may differ.
    """
    whole = np.rint(row)
    missing = round(row.sum()) - int(whole.sum())
    order = np.argsort(row - whole, kind="stable")
    if missing:
        whole[order[-missing:] if missing > 0 else order[:-missing]] += np.sign(missing)
    return whole.astype(np.int64)


def own(p: FloatArray, labels: IntArray) -> FloatArray:
    """Self-confidence, (n,): the probability of each example's own label."""
    return p[np.arange(len(labels)), labels]


def _by_class(p: FloatArray, labels: IntArray, joint: IntArray) -> BoolArray:
    issues = np.zeros(len(labels), dtype=bool)
    for s, row in enumerate(joint):
        members = np.flatnonzero(labels == s)
        wrong = min(int(row.sum() - row[s]), len(members) - 1)  # one always stays
        issues[_smallest(p[members, s], members, wrong)] = True
    return issues


def _by_noise_rate(p: FloatArray, labels: IntArray, joint: IntArray) -> BoolArray:
    issues = np.zeros(len(labels), dtype=bool)
    for (s, j), wrong in np.ndenumerate(joint):
        members = np.flatnonzero(labels == s)
        if s != j:
            issues[_smallest(p[members, s] - p[members, j], members, int(wrong))] = True
    return issues


def _smallest(values: FloatArray, members: IntArray, count: int) -> IntArray:
    chosen: IntArray = members[np.argsort(values, kind="stable")[: max(count, 0)]]
    return chosen
