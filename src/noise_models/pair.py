"""Wrong labels, each class taken for the next one."""

from __future__ import annotations

import numpy as np

from src.component import Fraction
from src.noise_models.base import ClassConditional, Sampling
from src.transition_matrix import TransitionMatrix


class Pair(ClassConditional):
    """A share `rate` of every class is labelled as the next class, the last as the first (Han 2018, pair flipping)."""

    def __init__(self, *, rate: Fraction = 0.4, sampling: Sampling = "iid") -> None:
        self.rate, self.sampling = rate, sampling

    def transition(self, num_classes: int) -> TransitionMatrix:
        stay = np.eye(num_classes)
        return TransitionMatrix((1 - self.rate) * stay + self.rate * np.roll(stay, 1, axis=0))
