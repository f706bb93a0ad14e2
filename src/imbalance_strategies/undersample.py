"""Frequent classes are drawn less often."""

from __future__ import annotations

import numpy as np

from src.component import PositiveInt
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.members import Members
from src.task import FloatArray, IntArray


class Undersample(ImbalanceStrategy):
    """As many examples of each class as the rarest has, without replacement (imbalanced-learn's RandomUnderSampler).

    An epoch is `draws` such parts, one after the other: where the rarest class has few, a single one is a step or two.
    """

    balances = True

    def __init__(self, *, redraw: bool = True, draws: PositiveInt = 1) -> None:
        self.redraw, self.draws = redraw, draws

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.members = Members(labels)
        self.kept: IntArray | None = None

    def order(self, rng: np.random.Generator) -> IntArray:
        return np.concatenate([self._part(rng) for _ in range(self.draws)])

    def _part(self, rng: np.random.Generator) -> IntArray:
        if self.redraw or self.kept is None:
            self.kept = undersampled(self.members, rng)
        return rng.permutation(self.kept)

    def drawn_prior(self) -> FloatArray:
        return (super().drawn_prior() > 0).astype(np.float64)


def undersampled(members: Members, rng: np.random.Generator | np.random.RandomState) -> IntArray:
    """The rarest class (the first of them) whole, and of every other one as many positions, without replacement."""
    rarest = int(members.counts.argmin())
    size = members.counts[rarest]
    chosen = [
        members.of(c) if c == rarest else rng.choice(members.of(c), size, replace=False) for c in range(len(members))
    ]
    return np.concatenate(chosen)
