"""Between the classes' own shares and equal ones."""

from __future__ import annotations

import numpy as np

from src.component import PositiveInt
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.members import Members
from src.task import FloatArray, IntArray


class SquareRoot(ImbalanceStrategy):
    """Draws with replacement, a class with probability ∝ √n_c (Mahajan 2018; Kang 2020, equation 1 with q = 1/2)."""

    balances = True

    def __init__(self, *, num_samples: PositiveInt | None = None) -> None:
        self.num_samples = num_samples

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.members = Members(labels)

    def order(self, rng: np.random.Generator) -> IntArray:
        return self.members.by_share(np.sqrt(self.members.counts), self.num_samples or len(self.labels), rng)

    def drawn_prior(self) -> FloatArray:
        return np.sqrt(super().drawn_prior())
