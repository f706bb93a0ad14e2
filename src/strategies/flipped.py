"""Plain training on observed labels, whose predictions are decoded afterwards (the label-noise study's "flipped")."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from src.component import NonNegativeFloat
from src.errors import UserError
from src.models.base import Model
from src.strategies.backward import BAD_CONDITION
from src.strategies.base import Criterion, Predictor
from src.strategies.corrected import Corrected, Estimator, Folds, Quantile, Source, prior_behind, prior_error, simplex
from src.task import Batch, FloatArray, Task
from src.transition_matrix import TOLERANCE, TransitionMatrix

if TYPE_CHECKING:
    from src.training import Trainer

log = logging.getLogger("src")

Decode = Literal["none", "transpose", "bayes", "inverse"]
UNSURE = 0.01
"""The standard error of a class's share from which on decoding by Bayes' rule says how little it rests on."""


class Flipped(Corrected):
    """P(true | x) from P(observed | x).

    transpose: T^T p, the study's equation 42. bayes: Q p with Q[y, s] = P(true y | observed s), equation 8, for `prior`, the
    true classes' shares, or if that is None for those that T and the observed counts imply, which tell them badly where T
    is nearly singular; equal to transpose where both mixes are uniform. Both contradict class-conditional noise; inverse
    (T⁻¹ p, projected on the simplex) is exact under it. none: p itself, and no T is looked for.
    """

    decoder: Tensor

    def __init__(
        self,
        *,
        decode: Decode = "inverse",
        prior: list[NonNegativeFloat] | None = None,
        transition: Source = "known",
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
    ) -> None:
        super().__init__(transition, estimator, quantile, folds)
        if prior is not None and decode != "bayes":
            raise ValueError(f"prior is what decode=bayes reads; decode={decode} needs no class mix")
        if prior is not None and not math.isclose(sum(prior), 1, abs_tol=TOLERANCE):
            raise ValueError(f"prior: the shares of the true classes sum to 1, not to {sum(prior):.4g}")
        self.decode, self.prior = decode, prior
        self.begins_with = None if decode == "none" else transition

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        if self.prior is not None and len(self.prior) != task.num_classes:
            n = len(self.prior)
            raise UserError(f"strategy.prior has {n} shares, but the dataset has {task.num_classes} classes")
        self.register_buffer("decoder", torch.eye(task.num_classes))

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        if self.decode == "none":
            return trainer.minimise(model, self)
        return super().fit(task, model, trainer)

    def true_mix(self, observed: FloatArray) -> FloatArray | None:
        if self.prior is not None:
            return np.array(self.prior)
        return observed if self.decode == "none" else super().true_mix(observed)

    def use(self, matrix: TransitionMatrix) -> None:
        super().use(matrix)
        try:
            decoder = {
                "none": lambda: TransitionMatrix.identity(len(matrix)).columns,
                "transpose": lambda: matrix.rows,
                "bayes": lambda: self.posterior(matrix),
                "inverse": matrix.inverse,
            }[self.decode]()
        except ValueError as error:
            remedy = "give strategy.prior" if self.decode == "bayes" else "try decode=transpose"
            raise UserError(f"strategy.decode={self.decode}: {error}; {remedy}") from None
        self.decoder.copy_(torch.from_numpy(decoder.copy()))
        if self.decode == "inverse" and (condition := matrix.condition_number()) > BAD_CONDITION:
            log.warning(
                "strategy.decode=inverse: the transition matrix has condition number %.0f, so errors of the predicted "
                "probabilities are amplified as much; strategy=forward is not affected", condition,
            )  # fmt: skip

    def posterior(self, matrix: TransitionMatrix) -> FloatArray:
        """Q; says how little the observed counts tell of the class mix behind them if T nearly hides the classes."""
        if self.prior is not None:
            return self.of_all(matrix).posterior(self.prior)  # however often observed classes count
        counts = self.counts * self.factor.cpu().double().numpy()
        error = prior_error(matrix, counts)
        if error > UNSURE:
            log.warning(
                "strategy.decode=bayes: the counts tell the class mix behind the observed labels to ± %.3f only, because T is "
                "nearly singular, and the scores follow it; decode=inverse needs no class mix",
                error,
            )
        return matrix.posterior(prior_behind(matrix, counts))

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        return {"total": self.criterion(model(source.x).log_softmax(dim=1), source.y).mean()}

    def scores(self, model: Model, x: Any) -> Tensor:
        p = super().scores(model, x)
        decoded = p @ self.decoder.T.to(p.dtype)
        return simplex(decoded) if self.decode == "inverse" else decoded / decoded.sum(dim=1, keepdim=True)
