"""Classes that are missed count more."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor
from torch.nn import functional as F

from src.component import NonNegativeFloat
from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import IntArray


class Recall(ImbalanceStrategy):
    """-w_y log p_y with w_c = (missed of class c + smoothing) / (examples of class c + smoothing) in the batch (Tian 2021).

    Without smoothing w_c is 1 - recall, and a class that is all right teaches nothing, be p_y only just the largest.
    With `ema` a class's weight is ema times what it was after the last step plus 1 - ema times the batch's. No gradient
    flows through the weights. It weighs by mistakes: wrong labels gain too. The weights change as the training goes on,
    so that there is no class mix that the scores could be mapped back from: the effective prior is the data's.
    """

    reshapes = batchwise = changes = True

    def __init__(self, *, smoothing: NonNegativeFloat = 1.0, ema: Annotated[float, Ge(0), Lt(1)] = 0.0) -> None:
        self.smoothing, self.ema = smoothing, ema

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.weights = torch.ones(num_classes)
        self.pending = self.weights

    def at(self, progress: float) -> None:
        self.weights = self.pending  # a step may ask for its loss more than once; the last answer counts

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            self.pending = self._mixed(log_probs.detach(), y)
        return self.pending[y] * super().criterion(log_probs, y)

    def _mixed(self, log_probs: Tensor, y: Tensor) -> Tensor:
        of_class = F.one_hot(y, self.num_classes).to(log_probs.dtype)
        seen, missed = of_class.sum(dim=0), of_class[log_probs.argmax(dim=1) != y].sum(dim=0)
        before = self.weights.to(log_probs)
        now = (missed + self.smoothing) / (seen + self.smoothing)
        return torch.where(seen > 0, self.ema * before + (1 - self.ema) * now, before)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.pending}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights = self.pending = state["weights"]
