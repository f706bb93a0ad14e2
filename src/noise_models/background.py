"""Wrong labels that all fall into one class: noise and imbalance at once."""

from __future__ import annotations

import numpy as np

from src.component import Fraction, NonNegativeInt
from src.errors import UserError
from src.noise_models.base import ClassConditional, Sampling
from src.transition_matrix import TransitionMatrix


class Background(ClassConditional):
    """A share `rate` of every other class is labelled `to`, the background (Ren 2018, section 4.3)."""

    def __init__(self, *, rate: Fraction = 0.4, to: NonNegativeInt = 0, sampling: Sampling = "iid") -> None:
        self.rate, self.to, self.sampling = rate, to, sampling

    def transition(self, num_classes: int) -> TransitionMatrix:
        if self.to >= num_classes:
            raise UserError(f"noise_model.to={self.to}: the dataset's classes are 0 to {num_classes - 1}")
        matrix = (1 - self.rate) * np.eye(num_classes)
        matrix[self.to] += self.rate
        return TransitionMatrix(matrix)
