"""Rare classes are drawn more often."""

from __future__ import annotations

import numpy as np

from src.component import PositiveInt
from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray


class Oversample(ImbalanceStrategy):
    """Draws with replacement, every class equally likely; an epoch has as many draws as the training split examples."""

    def __init__(self, *, num_samples: PositiveInt | None = None) -> None:
        self.num_samples = num_samples

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.by_class = np.argsort(labels, kind="stable")
        self.classes, self.first, self.counts = np.unique(labels[self.by_class], return_index=True, return_counts=True)

    def order(self, rng: np.random.Generator) -> IntArray:
        drawn = rng.integers(len(self.classes), size=self.num_samples or len(self.labels))
        member = (rng.random(len(drawn)) * self.counts[drawn]).astype(np.int64)
        positions: IntArray = self.by_class[self.first[drawn] + member]
        return positions

    def effective_prior(self) -> FloatArray:
        return (super().effective_prior() > 0).astype(np.float64)
