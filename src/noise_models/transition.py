"""Wrong labels by any given transition matrix."""

from __future__ import annotations

from src.errors import UserError
from src.noise_models.base import ClassConditional, Sampling
from src.transition_matrix import TransitionMatrix

EXAMPLE = [[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]]


class Transition(ClassConditional):
    """Class-conditional noise: matrix[i][j] = P(observed i | true j), so columns sum to 1."""

    def __init__(self, *, matrix: list[list[float]] = EXAMPLE, sampling: Sampling = "iid") -> None:
        self.matrix, self.sampling = TransitionMatrix(matrix), sampling

    def transition(self, num_classes: int) -> TransitionMatrix:
        if len(self.matrix) != num_classes:
            n = len(self.matrix)
            raise UserError(f"noise_model.matrix is {n}×{n}, but the dataset has {num_classes} classes")
        return self.matrix
