"""Wrong labels by any given transition matrix."""

from __future__ import annotations

from typing import Literal

import numpy as np

from src.errors import UserError
from src.noise_models.base import NoiseModel
from src.noise_models.transition_matrix import TransitionMatrix, corrupt
from src.task import IntArray

EXAMPLE = [[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]]


class Transition(NoiseModel):
    """Class-conditional noise: matrix[i][j] = P(observed i | true j), so columns sum to 1."""

    def __init__(self, *, matrix: list[list[float]] = EXAMPLE, sampling: Literal["iid", "exact"] = "iid") -> None:
        self.matrix, self.sampling = TransitionMatrix(matrix), sampling

    def transition(self, num_classes: int) -> TransitionMatrix:
        if len(self.matrix) != num_classes:
            n = len(self.matrix)
            raise UserError(f"noise_model.matrix is {n}×{n}, but the dataset has {num_classes} classes")
        return self.matrix

    def corrupt(self, labels: IntArray, num_classes: int, rng: np.random.Generator) -> IntArray:
        return corrupt(labels, self.transition(num_classes), self.sampling, rng)
