"""T-revision (Xia 2019): importance-weighted training with a transition matrix that gets a learned correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from src.component import Fraction, PositiveFloat
from src.models.base import Model
from src.strategies.base import Criterion, ParameterGroups, Predictor
from src.strategies.corrected import RECORD, Corrected, Estimator, Folds, Quantile, Source, simplex, write
from src.task import Batch, FloatArray, Task
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from src.training import Trainer

LARGEST = 10.0
"""Weights are cut off here."""


class TRevision(Corrected):
    """Mean of beta · criterion with beta = p_y / (T p)_y, P(true = y | x) over P(observed = y | x) (equation 3).

    From `start` on T is T + slack, its columns projected on the simplex, and the slack is learned at its own rate. The
    network's gradient takes beta for a constant; only the slack's goes through it. (The published code cuts that too,
    and so never revises.) `slack` is the mean over the columns of the absolute change of T. The revised matrix is
    recorded as the run's, but it is no estimate of T: with the true posterior this risk still has a gradient at the
    true T, and whatever it starts from, revision at a fast rate ends at the same flatter matrix. Keep the rate low.
    """

    def __init__(
        self,
        *,
        transition: Source = "known",
        start: Fraction = 0.5,
        lr_factor: PositiveFloat = 0.01,
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
    ) -> None:
        super().__init__(transition, estimator, quantile, folds)
        self.start, self.lr_factor = start, lr_factor

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.slack = nn.Parameter(torch.zeros_like(self.T))

    def reweigh(self, factor: FloatArray) -> None:
        revised = TransitionMatrix(self.revised().detach().cpu().double().numpy()).reweighted(factor)
        super().reweigh(factor)
        self.slack.data.copy_(torch.from_numpy(revised.columns.copy()).to(self.T) - self.T)

    def revised(self) -> Tensor:
        """T + slack, (C, C), columns projected on the simplex."""
        return simplex((self.T + self.slack).T).T

    def believed(self) -> Tensor:
        return self.revised()

    def true_mix(self, observed: FloatArray) -> None:
        """Not known: T is learned."""

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        log_probs = model(source.x).log_softmax(dim=1)
        matrix = self.revised() if progress >= self.start else self.T
        weight = importance(log_probs.detach().exp(), source.y, matrix)
        total = (weight * self.criterion(log_probs, source.y)).mean()
        moved = (matrix.detach() - self.T).abs().sum(dim=0).mean()
        return {"total": total, "weight": weight.detach().mean(), "slack": moved}

    def parameter_groups(self, model: Model) -> ParameterGroups:
        slack = {"params": [self.slack], "lr_factor": self.lr_factor, "weight_decay": 0.0}
        return [{"params": list(model.parameters())}, slack]

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        predictor = super().fit(task, model, trainer)
        matrix = TransitionMatrix(self.revised().detach().cpu().double().numpy())
        write(trainer.folder / RECORD, self.of_all(matrix), "learned: t_revision", task)
        return predictor


def importance(p: Tensor, y: Tensor, T: Tensor) -> Tensor:
    """p_y / (T p)_y, (B,), at most 10, for p (B, C) a model of P(true | x)."""
    observed = (T[y].to(p.dtype) * p).sum(dim=1)
    return (p.gather(1, y[:, None]).squeeze(1) / observed.clamp_min(torch.finfo(p.dtype).tiny)).clamp_max(LARGEST)
