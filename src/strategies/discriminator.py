"""Learn the domain itself: is there a shift to remove?"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from src.component import Dropout, PositiveInt
from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion, Strategy
from src.strategies.domain_head import domain_head
from src.task import Batch, Task, joined


class Discriminator(Strategy):
    """Cross-entropy of the domain; scores are domain probabilities. Chance means that there is no visible shift."""

    own_loss = True
    uses_target = True
    predicts = "domain"

    def __init__(self, *, hidden: PositiveInt = 128, dropout: Dropout = 0.5) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        if task.num_domains < 2:
            name = task.domain_names[0]
            raise UserError(f"strategy=discriminator needs a dataset with two domains; this one has only '{name}'")
        self.head = domain_head(model.feature_dim, self.hidden, self.dropout, task.num_domains)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        both = joined(source, target)
        return {"total": F.cross_entropy(self.head(model.features(both.x)), both.domain)}

    def scores(self, model: Model, x: object) -> Tensor:
        logits: Tensor = self.head(model.features(x))
        return logits.float().softmax(dim=1)
