"""Domain-adversarial training (Ganin 2016): features that predict the class but not the domain."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from src.component import Dropout, NonNegativeFloat, PositiveInt
from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion, Strategy
from src.strategies.domain_head import domain_head, reverse_gradient
from src.task import HIDDEN, Batch, Task, joined


class DANN(Strategy):
    """Class loss plus domain loss; the domain's gradient enters the features times -scale.

    The domain loss reads both batches; the class loss the source, and the target where its labels may be seen. `ramp`
    is 2 / (1 + exp(-10 p)) - 1 over the training's progress p. A domain loss near log(number of domains) is the goal,
    not a failure.
    """

    uses_target = changes = True

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
        if task.num_domains < 2:
            raise UserError(
                f"strategy=dann needs a dataset with two domains; this one has only '{task.domain_names[0]}'"
            )
        self.head = domain_head(model.feature_dim, self.hidden, self.dropout, task.num_domains)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        both = joined(source, target)
        features = model.features(both.x)
        known = features if target is not None and bool((target.y != HIDDEN).any()) else features[: len(source)]
        y = both.y[: len(known)]
        seen = y != HIDDEN
        log_probs = model.classify(known).log_softmax(dim=1)
        if not bool(seen.all()):
            log_probs, y = log_probs[seen], y[seen]
        class_loss = self.criterion(log_probs, y).mean()
        logits = self.head(reverse_gradient(features, self.scale_at(progress)))
        domain_loss = F.cross_entropy(logits, both.domain)
        with torch.no_grad():
            accuracy = (logits.argmax(dim=1) == both.domain).float().mean()
        total = class_loss + domain_loss
        return {"total": total, "class": class_loss, "domain": domain_loss, "domain_accuracy": accuracy}

    def scale_at(self, progress: float) -> float:
        """The gradient's factor (without its sign) at a progress from 0 to 1 (Ganin 2016, section 5.2.2)."""
        if self.scale == "ramp":
            return 2 / (1 + math.exp(-10 * progress)) - 1
        return float(self.scale)
