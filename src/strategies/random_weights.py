"""Random weights (Ren 2018, section 4): what learned weights must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from src.models.base import Model
from src.strategies.weighting import Weighting, proportional
from src.task import Batch


class RandomWeights(Weighting):
    """Σ_i w_i f_i with w_i ∝ max(ε_i, 0), ε_i ~ N(0, 1), summing to 1 over a batch: a rectified Gaussian."""

    changes = True

    def __init__(self) -> None:
        super().__init__()

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        losses = self.criterion(model(source.x).log_softmax(dim=1), source.y)
        weight = proportional(torch.randn_like(losses))
        self.record(source, weight)
        return {"total": (weight * losses).sum()}
