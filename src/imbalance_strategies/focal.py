"""Examples that are already right count less."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from src.component import NonNegativeFloat, PositiveFloat
from src.errors import UserError
from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray


class Focal(ImbalanceStrategy):
    """-α_y (1 - p_y)^γ log p_y (Lin 2017, equation 5) with the softmax's p.

    It weighs by loss: rare classes gain, and so do wrong labels. `alpha` are weights of the classes, of which the factor
    (1 - p)^γ knows nothing. 0 < γ < 1 is refused: the derivative of (1 - p)^γ is infinite at p = 1.
    """

    reshapes = True

    def __init__(self, *, gamma: NonNegativeFloat = 2.0, alpha: list[PositiveFloat] | None = None) -> None:
        if 0 < gamma < 1:
            raise ValueError(f"gamma={gamma}: the gradient is infinite at p = 1; give 0, or 1 or more")
        self.gamma, self.alpha = gamma, alpha
        self.balances = alpha is not None

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        alpha = [1.0] * num_classes if self.alpha is None else self.alpha
        if len(alpha) != num_classes:
            raise UserError(f"imbalance_strategy.alpha={alpha}: {len(alpha)} weights for {num_classes} classes")
        self.weights = torch.tensor(alpha)

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        self.weights = self.weights.to(y.device)
        loss = super().criterion(log_probs, y)
        return self.weights[y] * (-torch.expm1(-loss)) ** self.gamma * loss

    def effective_prior(self) -> FloatArray:
        return super().effective_prior() * self.weights.cpu().numpy().astype(np.float64)
