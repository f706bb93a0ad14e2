"""Empirical risk minimisation: plain supervised training."""

from __future__ import annotations

from torch import Tensor

from src.models.base import Model
from src.strategies.base import Strategy, weighted_mean
from src.task import Batch


class ERM(Strategy):
    """The weighted mean of the criterion over the batch's labelled examples."""

    uses_weight = True

    def __init__(self) -> None:
        super().__init__()

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        return {"total": weighted_mean(self.criterion(model(source.x).log_softmax(dim=1), source.y), source.weight)}
