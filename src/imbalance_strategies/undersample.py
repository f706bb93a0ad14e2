"""Frequent classes are drawn less often."""

from __future__ import annotations

import numpy as np

from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray


class Undersample(ImbalanceStrategy):
    """As many examples of each class as the rarest has, without replacement, drawn anew every epoch."""

    def __init__(self) -> None:
        pass

    def order(self, rng: np.random.Generator) -> IntArray:
        classes, counts = np.unique(self.labels, return_counts=True)
        keep = [rng.permutation(np.flatnonzero(self.labels == c))[: counts.min()] for c in classes]
        return rng.permutation(np.concatenate(keep))

    def effective_prior(self) -> FloatArray:
        return (super().effective_prior() > 0).astype(np.float64)
