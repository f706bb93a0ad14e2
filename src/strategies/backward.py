"""Backward correction (Patrini 2017; Natarajan 2013): an unbiased, but not a bounded estimate of the clean loss."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion
from src.strategies.corrected import Corrected, Estimator, Folds, Quantile, Source
from src.task import Batch, Task
from src.transition_matrix import TransitionMatrix

log = logging.getLogger("src")

BAD_CONDITION = 20


class Backward(Corrected):
    """Σ_j (T⁻¹)[j, y] · criterion(p, j): its expectation over the observed labels is the loss on the true ones (theorem 1).

    Off its diagonal T⁻¹ is negative, so the loss has no lower bound and a network that memorises drives it to minus
    infinity. With `floor` a batch's mean is cut off there, and has no gradient below. `lowest` is the smallest loss of
    an example in the batch.
    """

    asks_every_label = True

    inverse: Tensor

    def __init__(
        self,
        *,
        transition: Source = "known",
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
        floor: float | None = None,
    ) -> None:
        super().__init__(transition, estimator, quantile, folds)
        self.floor = floor
        self.unbounded = floor is None or floor < 0

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.register_buffer("inverse", torch.eye(task.num_classes))

    def use(self, matrix: TransitionMatrix) -> None:
        super().use(matrix)
        try:
            self.inverse.copy_(torch.from_numpy(matrix.inverse()))
        except ValueError as error:
            raise UserError(f"strategy=backward: {error}; strategy=forward needs no inverse") from None
        if (condition := matrix.condition_number()) > BAD_CONDITION:
            log.warning(
                "strategy=backward: the transition matrix has condition number %.0f, so noise in the loss is amplified "
                "as much; strategy=forward is not affected", condition,
            )  # fmt: skip

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        log_probs = model(source.x).log_softmax(dim=1)
        classes = torch.arange(len(self.inverse), device=source.y.device)
        each = torch.stack([self.criterion(log_probs, c.expand_as(source.y)) for c in classes], dim=1)
        weights = self.inverse.T[source.y].to(log_probs.dtype)
        losses = (weights * each).sum(dim=1)
        total = losses.mean()
        if self.floor is not None:
            total = total.clamp_min(self.floor)
        return {"total": total, "lowest": losses.detach().min()}
