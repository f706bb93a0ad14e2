"""What a noise model is: how right labels become wrong ones."""

from __future__ import annotations

import numpy as np

from src.component import Component
from src.noise_models.transition_matrix import TransitionMatrix
from src.task import IntArray


class NoiseModel(Component):
    """The default leaves every label as it is."""

    def transition(self, num_classes: int) -> TransitionMatrix:
        """P(observed | true) as the model states it. Raises UserError if it does not fit the number of classes."""
        return TransitionMatrix.identity(num_classes)

    def corrupt(self, labels: IntArray, num_classes: int, rng: np.random.Generator) -> IntArray:
        """Observed labels for true ones, both (n,)."""
        return labels
