"""Online hard example mining (Shrivastava 2016): only the examples that the model gets most wrong teach it."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor

from src.models.base import Model
from src.strategies.base import Strategy
from src.strategies.selection import hardest, loss_of
from src.task import Batch


class HardMining(Strategy):
    """The mean of the criterion over the `share` of each batch whose observed labels look least probable.

    The paper sorts regions of two pictures by their loss and learns from B of them (section 4). Here the order goes by
    -log p of the label and learning by the criterion; `stratify` takes the same share of each observed class. Wrong
    labels have large losses: mining seeks them. `kept` is the share that taught, `all` the loss over the whole batch.
    """

    chooses = True

    def __init__(self, *, share: Annotated[float, Gt(0), Le(1)] = 0.5, stratify: bool = False) -> None:
        super().__init__()
        self.share, self.stratify = share, stratify

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        log_probs = model(source.x).log_softmax(dim=1)
        kept = hardest(log_probs, source.y, self.share, self.stratify)
        return loss_of(kept, self.criterion(log_probs, source.y))
