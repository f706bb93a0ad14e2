"""Rare classes count more in the loss."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from src.component import PositiveFloat
from src.errors import UserError
from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray, class_counts


class ClassWeights(ImbalanceStrategy):
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

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        counts = class_counts(labels, num_classes)
        absent = np.flatnonzero(counts == 0).tolist()
        if absent:
            warnings.warn(
                f"imbalance_strategy=class_weights: no training example of class {absent}; weight 0", stacklevel=2
            )
        present = counts > 0
        if isinstance(self.given, str):
            weights = np.where(present, 1 / np.where(present, counts, 1), 0)
        elif len(self.given) == num_classes:
            weights = np.where(present, self.given, 0)
        else:
            raise UserError(
                f"imbalance_strategy.weights={self.given}: {len(self.given)} weights for {num_classes} classes"
            )
        self.weights = torch.from_numpy(weights * len(labels) / (weights * counts).sum()).float()

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        self.weights = self.weights.to(y.device)
        weight = self.weights[y]
        loss = weight * super().criterion(log_probs, y)
        return loss / weight.mean() if self.normalise == "batch_weight_sum" else loss

    def effective_prior(self) -> FloatArray:
        return super().effective_prior() * self.weights.cpu().numpy()
