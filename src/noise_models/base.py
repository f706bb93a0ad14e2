"""What a noise model is: how right labels become wrong ones."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from src.component import Component
from src.noise_models.sampling import corrupt
from src.task import IntArray, Split
from src.transition_matrix import TransitionMatrix

Sampling = Literal["iid", "exact"]


class NoiseModel(Component):
    """Sees a split with its inputs; answers with observed labels."""

    class_conditional: ClassVar[bool] = True
    """Whether wrong labels depend on the true class alone, so that there is a transition matrix."""

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """P(observed | true) where it is the same for every example of a class, else None.

        Raises UserError if it does not fit the number of classes.
        """
        raise NotImplementedError

    def corrupt(self, split: Split, num_classes: int, rng: np.random.Generator) -> IntArray:
        """Observed labels, (n,), for the split's right ones. Raises UserError if they cannot be made."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Changes with the content of files that the model reads; part of a run's identity."""
        return ""


class ClassConditional(NoiseModel):
    """Noise that a transition matrix says all of."""

    sampling: Sampling

    def transition(self, num_classes: int) -> TransitionMatrix:
        raise NotImplementedError

    def corrupt(self, split: Split, num_classes: int, rng: np.random.Generator) -> IntArray:
        return corrupt(split.labels, self.transition(num_classes), self.sampling, rng)
