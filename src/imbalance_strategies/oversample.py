"""Rare classes are drawn more often."""

from __future__ import annotations

from typing import Literal

import numpy as np

from src.component import PositiveInt
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.members import Members
from src.task import FloatArray, IntArray


class Oversample(ImbalanceStrategy):
    """Every class is as frequent as the others.

    multinomial: drawn with replacement, every class equally likely. exact: any C draws from a multiple of C on hold each
    of the C classes once, so that a batch whose size is a multiple of C holds all alike; no example is drawn again
    before all of its class were. duplicates: all examples, and rare ones again at random, up to the most frequent
    class's count (imbalanced-learn's RandomOverSampler). An epoch of the first two has as many draws as the training
    split has examples (exact: rounded up to whole rounds).
    """

    balances = True

    def __init__(
        self,
        *,
        batches: Literal["multinomial", "exact", "duplicates"] = "multinomial",
        num_samples: PositiveInt | None = None,
    ) -> None:
        if batches == "duplicates" and num_samples is not None:
            raise ValueError("num_samples is not for batches=duplicates, whose epoch is C times the largest class")
        self.batches, self.num_samples = batches, num_samples

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.members = Members(labels)

    def order(self, rng: np.random.Generator) -> IntArray:
        size, classes = self.num_samples or len(self.labels), len(self.members)
        if self.batches == "multinomial":
            return self.members.any_of(rng.integers(classes, size=size), rng)
        if self.batches == "exact":
            rounds = -(-size // classes)
            turns = np.stack([self.members.in_turn(c, rounds, rng) for c in range(classes)], axis=1)
            return rng.permuted(turns, axis=1).ravel()
        return rng.permutation(duplicated(self.members, rng))

    def drawn_prior(self) -> FloatArray:
        return (super().drawn_prior() > 0).astype(np.float64)


def duplicated(members: Members, rng: np.random.Generator | np.random.RandomState) -> IntArray:
    """All positions, and then of each rarer class as many again, with replacement, as it has fewer than the largest."""
    more = members.counts.max() - members.counts
    again = [rng.choice(members.of(c), more[c]) for c in np.flatnonzero(more).tolist()]
    return np.concatenate([np.arange(len(members.by_class)), *again])
