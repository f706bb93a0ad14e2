"""Learn the domain itself: is there a shift to remove?"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from src.component import Dropout, PositiveInt
from src.models.base import Model
from src.strategies.base import Criterion
from src.strategies.domain_head import domain_head, domain_loss
from src.strategies.two_domains import TwoDomains
from src.task import Batch, Task, joined


class Discriminator(TwoDomains):
    """Cross-entropy of the domain; scores are domain probabilities. Chance means that there is no visible shift."""

    own_loss = True
    predicts = "domain"

    def __init__(self, *, hidden: PositiveInt = 128, dropout: Dropout = 0.5) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.head = domain_head(model.feature_dim, self.hidden, self.dropout, task.num_domains)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        both = joined(source, target)
        return {"total": domain_loss(self.head(model.features(both.x)), both.domain, both.weight)}

    def logits(self, model: Model, x: Any) -> Tensor:
        """(B, number of domains)."""
        logits: Tensor = self.head(model.features(x))
        return logits
