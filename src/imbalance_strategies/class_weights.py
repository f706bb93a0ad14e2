"""Rare classes count more in the loss."""

from __future__ import annotations

from typing import Literal

import numpy as np
from torch import Tensor

from src.component import PositiveFloat
from src.errors import UserError
from src.imbalance_strategies.weighted import Weighted
from src.task import FloatArray, IntArray


class ClassWeights(Weighted):
    """One weight per class, scaled so that the mean weight of an example is 1 over the training split.

    `weights` are one number a class, or `inverse`: N / (n_c · C), which makes every class count the same.
    `normalise` says what a batch's sum is divided by: its size, or its sum of weights. The latter renormalises a
    batch's minority examples away when they fill it, so the two minimise different things on small batches.
    """

    def __init__(
        self,
        *,
        weights: Literal["inverse"] | list[PositiveFloat] = "inverse",
        normalise: Literal["batch_size", "batch_weight_sum"] = "batch_size",
    ) -> None:
        self.given, self.normalise = weights, normalise
        self.batchwise = normalise == "batch_weight_sum"

    def weights_for(self, counts: IntArray) -> FloatArray:
        present = counts > 0
        if isinstance(self.given, str):
            return np.where(present, counts.sum() / (present.sum() * np.where(present, counts, 1)), 0.0)
        if len(self.given) != len(counts):
            raise UserError(
                f"imbalance_strategy.weights={self.given}: {len(self.given)} weights for {len(counts)} classes"
            )
        weights = np.where(present, self.given, 0)
        return np.asarray(weights * counts.sum() / (weights * counts).sum())

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        loss = super().criterion(log_probs, y)
        return loss / self.weights[y].mean() if self.normalise == "batch_weight_sum" else loss
