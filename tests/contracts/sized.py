"""Imbalance strategies that have been shown their examples, of different sizes as graphs are."""

import numpy as np

from src.datasets.inputs import ArrayInputs
from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import IntArray, Split


class Sized(ArrayInputs):
    """Vectors that say, as graphs do, how large each of them is."""

    def __init__(self, n: int) -> None:
        super().__init__(np.zeros((n, 1), dtype=np.float32))
        self.sizes = np.random.default_rng(1).integers(1, 1000, n)


def ready(strategy: ImbalanceStrategy, labels: IntArray, num_classes: int, batch_size: int) -> ImbalanceStrategy:
    """Set up, and shown the examples and the size of a step."""
    n = len(labels)
    strategy.setup(labels, num_classes)
    zeros, ones = np.zeros(n, dtype=np.int64), np.ones(n)
    strategy.meet(Split(Sized(n), np.arange(n), labels, labels, zeros, ones, ones.astype(bool)), batch_size)
    return strategy
