"""Rare classes count more in the loss."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray, class_counts


class ClassWeights(ImbalanceStrategy):
    """w_c = N / (n_c · C): the mean weight of an example is 1 over the training split.

    `normalise` says what a batch's sum is divided by: its size, or its sum of weights. The latter renormalises a
    batch's minority examples away when they fill it, so the two minimise different things on small batches.
    """

    def __init__(self, *, normalise: Literal["batch_size", "batch_weight_sum"] = "batch_size") -> None:
        self.normalise = normalise

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        counts = class_counts(labels, num_classes)
        absent = np.flatnonzero(counts == 0).tolist()
        if absent:
            warnings.warn(
                f"imbalance_strategy=class_weights: no training example of class {absent}; weight 0", stacklevel=2
            )
        present = counts > 0
        weights = np.where(present, len(labels) / (np.where(present, counts, 1) * num_classes), 0)
        self.weights = torch.from_numpy(weights).float()

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        self.weights = self.weights.to(y.device)
        weight = self.weights[y]
        loss = weight * super().criterion(log_probs, y)
        return loss / weight.mean() if self.normalise == "batch_weight_sum" else loss

    def effective_prior(self) -> FloatArray:
        return super().effective_prior() * self.weights.cpu().numpy()
