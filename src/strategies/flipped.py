"""Plain training on observed labels, whose predictions are decoded afterwards (the label-noise study's "flipped")."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion, Predictor
from src.strategies.corrected import Corrected, Estimator, Folds, Quantile, Source, prior_behind, prior_error, simplex
from src.task import Batch, FloatArray, Task
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from src.training import Trainer

log = logging.getLogger("src")

Decode = Literal["none", "transpose", "bayes", "inverse"]
UNSURE = 0.01
"""The standard error of a class's share from which on decoding by Bayes' rule says how little it rests on."""


class Flipped(Corrected):
    """P(true | x) from P(observed | x).

    transpose: T^T p, the study's equation 42. bayes: Q p with Q[y, s] = P(true y | observed s), equation 8, for the class
    mix that T and the observed counts imply; equal to transpose where both mixes are uniform. Both contradict
    class-conditional noise, and that mix is known badly where T is nearly singular; inverse (T⁻¹ p, projected on the simplex) is exact under it. none: p itself, and no T is looked for.
    """

    decoder: Tensor

    def __init__(
        self,
        *,
        decode: Decode = "inverse",
        transition: Source = "known",
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
    ) -> None:
        super().__init__(transition, estimator, quantile, folds)
        self.decode = decode
        self.begins_with = None if decode == "none" else transition

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.counts = task.class_counts
        self.register_buffer("decoder", torch.eye(task.num_classes))

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        if self.decode == "none":
            return trainer.minimise(model, self)
        seen, natural = trainer.balance.effective_prior(), np.array(task.class_counts)
        if not np.allclose(seen / seen.sum(), natural / natural.sum(), atol=0.01):
            log.warning(
                "strategy=flipped: the imbalance_strategy changes the class mix, so that the model does not predict "
                "P(observed | x), which decoding starts from; imbalance_strategy=none is exact"
            )
        return super().fit(task, model, trainer)

    def true_mix(self, observed: FloatArray) -> FloatArray | None:
        return observed if self.decode == "none" else super().true_mix(observed)

    def use(self, matrix: TransitionMatrix) -> None:
        super().use(matrix)
        try:
            decoder = {
                "none": lambda: TransitionMatrix.identity(len(matrix)).columns,
                "transpose": lambda: matrix.rows,
                "bayes": lambda: matrix.posterior(self.prior(matrix)),
                "inverse": matrix.inverse,
            }[self.decode]()
        except ValueError as error:
            raise UserError(f"strategy.decode={self.decode}: {error}; try decode=transpose") from None
        self.decoder.copy_(torch.from_numpy(decoder.copy()))

    def prior(self, matrix: TransitionMatrix) -> FloatArray:
        """The class mix behind the observed counts; says how little they tell of it if T nearly hides the classes."""
        error = prior_error(matrix, self.counts)
        if error > UNSURE:
            log.warning(
                "strategy.decode=bayes: the counts tell the class mix behind the observed labels to ± %.3f only, because T is "
                "nearly singular, and the scores follow it; decode=inverse needs no class mix",
                error,
            )
        return prior_behind(matrix, self.counts)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        return {"total": self.criterion(model(source.x).log_softmax(dim=1), source.y).mean()}

    def scores(self, model: Model, x: Any) -> Tensor:
        p = super().scores(model, x)
        decoded = p @ self.decoder.T.to(p.dtype)
        return simplex(decoded) if self.decode == "inverse" else decoded / decoded.sum(dim=1, keepdim=True)
