"""Multinomial logistic regression."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from src.errors import UserError
from src.models.base import Model
from src.task import Task


class MLR(Model):
    """One linear layer on the flattened input; features = the input itself."""

    def __init__(self) -> None:
        super().__init__()

    def setup(self, task: Task) -> None:
        if task.input_kind == "graph":
            raise UserError("model=mlr takes vectors and images, not graphs")
        self.feature_dim = 1
        for size in task.input_shape:
            self.feature_dim *= size
        self.head = nn.Linear(self.feature_dim, task.num_classes)

    def features(self, x: Any) -> Tensor:
        flat: Tensor = x.flatten(1)
        return flat

    def classify(self, z: Tensor) -> Tensor:
        logits: Tensor = self.head(z)
        return logits
