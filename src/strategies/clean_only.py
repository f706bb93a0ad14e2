"""Training on the clean set alone: what the wrongly labelled examples must add to."""

from __future__ import annotations

from torch import Tensor

from src.models.base import Model
from src.strategies.base import Strategy, negative_log_likelihood
from src.task import Batch


class CleanOnly(Strategy):
    """The mean of -log p over the clean batch; there are as many steps as for everyone, and nothing else is read."""

    uses_clean = ignores_balance = chooses = True

    def __init__(self) -> None:
        super().__init__()

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        assert clean is not None
        return {"total": negative_log_likelihood(model(clean.x).log_softmax(dim=1), clean.y).mean()}
