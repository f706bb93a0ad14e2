"""Wrong labels, all other classes equally likely."""

from __future__ import annotations

import numpy as np

from src.component import Fraction
from src.noise_models.base import ClassConditional, Sampling
from src.transition_matrix import TransitionMatrix


class Uniform(ClassConditional):
    """A share `rate` of the labels is redrawn uniformly.

    With `include_self` the true class is among the candidates, so that only rate · (C-1)/C of the labels are wrong:
    published "40 % uniform noise" means either.
    """

    def __init__(self, *, rate: Fraction = 0.4, include_self: bool = False, sampling: Sampling = "iid") -> None:
        self.rate, self.include_self, self.sampling = rate, include_self, sampling

    def transition(self, num_classes: int) -> TransitionMatrix:
        others = num_classes if self.include_self else num_classes - 1
        spread = np.full((num_classes, num_classes), self.rate / others)
        stay = 1 - self.rate + (self.rate / others if self.include_self else 0)
        np.fill_diagonal(spread, stay)
        return TransitionMatrix(spread)
