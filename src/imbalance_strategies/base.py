"""What an imbalance strategy is: how often each example is seen, and how much it counts."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from src.component import Component
from src.task import FloatArray, IntArray, class_counts


class ImbalanceStrategy(Component):
    """Sees the observed training labels only; the default draws every example once an epoch and weighs all alike."""

    def setup(self, labels: IntArray, num_classes: int) -> None:
        """Take the observed labels of the labelled training examples, shape (n,), values in [0, num_classes).

        Raises UserError if they cannot be balanced.
        """
        self.labels, self.num_classes = labels, num_classes

    def order(self, rng: np.random.Generator) -> IntArray:
        """Positions (in the labels given to `setup`) to be visited in one epoch, in that order."""
        return rng.permutation(len(self.labels))

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        """Per-example loss (B,) from log-probabilities (B, C) and labels (B,)."""
        return -log_probs.gather(1, y[:, None]).squeeze(1)

    def effective_prior(self) -> FloatArray:
        """The class mix that the loss sees, up to a factor, (C,): what scores must be mapped back from."""
        return class_counts(self.labels, self.num_classes) / len(self.labels)
