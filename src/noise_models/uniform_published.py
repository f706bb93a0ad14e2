"""Wrong labels as the published code of learning to reweight makes them, which differ from uniform ones."""

from __future__ import annotations

import numpy as np

from src.component import Fraction
from src.noise_models.base import NoiseModel
from src.task import IntArray, Split
from src.transition_matrix import TransitionMatrix


class UniformPublished(NoiseModel):
    """Exactly int(n · rate) labels are redrawn from the classes 0 to C-2, the right one among them.

    So does the code of Ren 2018 with what the paper calls UniformFlip. The last class receives no label and loses a
    share `rate` of its own. Of ten equally frequent classes at rate .4, 36 % of the labels are wrong, and 6 % are the
    last class, 10.4 % each other. Hidden labels stay so.
    """

    def __init__(self, *, rate: Fraction = 0.4) -> None:
        self.rate = rate

    def transition(self, num_classes: int) -> TransitionMatrix:
        drawn = np.full((num_classes, num_classes), 1 / (num_classes - 1))
        drawn[-1] = 0
        return TransitionMatrix((1 - self.rate) * np.eye(num_classes) + self.rate * drawn)

    def corrupt(self, split: Split, num_classes: int, rng: np.random.Generator) -> IntArray:
        observed = split.labels.copy()
        shown = np.flatnonzero(observed >= 0)
        redrawn = rng.permutation(shown)[: int(len(shown) * self.rate)]
        observed[redrawn] = rng.integers(0, num_classes - 1, len(redrawn))
        return observed
