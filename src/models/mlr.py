"""Multinomial logistic regression."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from src.errors import UserError
from src.models.base import Model
from src.models.heads import Head, last_layer
from src.task import Task


class MLR(Model):
    """One linear layer on the flattened input; features = the input itself."""

    def __init__(self, *, head: Head = "linear") -> None:
        super().__init__()
        self.last = head

    def setup(self, task: Task) -> None:
        if task.input_kind == "graph":
            raise UserError("model=mlr takes vectors and images, not graphs")
        self.feature_dim = 1
        for size in task.input_shape:
            self.feature_dim *= size
        self.head = last_layer(self.last, self.feature_dim, task.num_classes)

    def features(self, x: Any) -> Tensor:
        flat: Tensor = x.flatten(1)
        return flat
