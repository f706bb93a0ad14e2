"""Observed labels by a transition matrix, and the matrix that observed labels really show."""

from __future__ import annotations

import numpy as np

from src.task import FloatArray, IntArray
from src.transition_matrix import TransitionMatrix


def realised(clean: IntArray, observed: IntArray, num_classes: int) -> tuple[TransitionMatrix, float]:
    """What a corruption really did: the empirical matrix and the share of changed labels.

    The column of an absent class is that of the identity. Labels that are hidden do not count.
    """
    clean, observed = clean[clean >= 0], observed[clean >= 0]
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (observed, clean), 1)
    totals = counts.sum(axis=0)
    matrix = np.where(totals > 0, counts / np.where(totals > 0, totals, 1), np.eye(num_classes))
    return TransitionMatrix(matrix), float(np.mean(clean != observed)) if len(clean) else 0.0


def corrupt(labels: IntArray, matrix: TransitionMatrix, sampling: str, rng: np.random.Generator) -> IntArray:
    """Observed labels drawn from T's columns.

    `iid`: every label on its own. `exact`: the counts of each column are the expected ones (largest remainder, ties
    at random), and only who is flipped is random. Labels that are hidden stay so.
    """
    observed = labels.copy()
    for true in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == true)
        column = matrix.columns[:, true]
        if sampling == "iid":
            observed[members] = rng.choice(len(matrix), size=len(members), p=column)
        else:
            counts = _apportion(column, len(members), rng)
            observed[rng.permutation(members)] = np.repeat(np.arange(len(matrix)), counts)
    return observed


def _apportion(shares: FloatArray, total: int, rng: np.random.Generator) -> IntArray:
    """Integers that sum to the total, nearest to shares · total (largest remainder, ties at random)."""
    exact = shares * total
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = total - int(whole.sum())
    remainders = np.round(exact - whole, 9)  # those that differ by rounding are ties
    whole[np.lexsort((rng.random(len(whole)), -remainders))[:left]] += 1
    return whole
