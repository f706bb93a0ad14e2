"""What strategies share that weigh each class in the loss."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray, class_counts


class Weighted(ImbalanceStrategy):
    """-w_y log p_y with the weights (C,) that `weights_for` makes of the class counts; absent classes weigh nothing."""

    balances = True
    weights: Tensor

    def weights_for(self, counts: IntArray) -> FloatArray:
        """The weights (C,), 0 where a count is. Raises UserError if there are none for so many classes."""
        raise NotImplementedError

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        counts = class_counts(labels, num_classes)
        absent = np.flatnonzero(counts == 0).tolist()
        if absent:
            name = type(self).__module__.rpartition(".")[2]
            warnings.warn(f"imbalance_strategy={name}: no training example of class {absent}; weight 0", stacklevel=2)
        self.weights = torch.from_numpy(self.weights_for(counts)).float()

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        self.weights = self.weights.to(y.device)
        return self.weights[y] * super().criterion(log_probs, y)

    def effective_prior(self) -> FloatArray:
        return super().effective_prior() * self.weights.cpu().numpy()
