"""Domain-adversarial training (Ganin 2016): features that predict the class but not the domain."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from src.component import Dropout, NonNegativeFloat, PositiveInt
from src.models.base import Model
from src.strategies.base import Criterion
from src.strategies.domain_head import domain_head, domain_loss, reverse_gradient
from src.strategies.two_domains import TwoDomains
from src.task import Batch, Task


class DANN(TwoDomains):
    """Class loss plus domain loss; the domain's gradient enters the features times -scale.

    The domain loss reads both batches; the class loss the source, and the target where its labels may be seen. `ramp`
    is 2 / (1 + exp(-10 p)) - 1 over the training's progress p. A domain loss near log(number of domains) is the goal,
    not a failure.
    """

    changes = True

    def __init__(
        self,
        *,
        scale: NonNegativeFloat | Literal["ramp"] = "ramp",
        hidden: PositiveInt = 128,
        dropout: Dropout = 0.5,
    ) -> None:
        super().__init__()
        self.scale, self.hidden, self.dropout = scale, hidden, dropout

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.head = domain_head(self.width(task, model), self.hidden, self.dropout, task.num_domains)

    def width(self, task: Task, model: Model) -> int:
        """How many numbers of an example the domain head reads."""
        return model.feature_dim

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        both, features, class_loss = self.read(model, source, target)
        return self.adversarial(class_loss, features, both.domain, both.weight, progress)

    def adversarial(
        self, class_loss: Tensor, x: Tensor, domain: Tensor, weight: Tensor, progress: float
    ) -> dict[str, Tensor]:
        """The named losses, where the head tells the domain from x, (B, width), whose gradient is reversed."""
        logits = self.head(reverse_gradient(x, self.scale_at(progress)))
        loss = domain_loss(logits, domain, weight)
        with torch.no_grad():
            accuracy = (logits.argmax(dim=1) == domain).float().mean()
        return {"total": class_loss + loss, "class": class_loss, "domain": loss, "domain_accuracy": accuracy}

    def scale_at(self, progress: float) -> float:
        """The gradient's factor (without its sign) at a progress from 0 to 1 (Ganin 2016, section 5.2.2)."""
        if self.scale == "ramp":
            return 2 / (1 + math.exp(-10 * progress)) - 1
        return float(self.scale)
