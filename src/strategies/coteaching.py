"""Co-teaching (Han 2018): two networks, each taught by the examples that the other finds easy."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Gt, Le
from torch import Tensor

from src.component import Dropout, PositiveFloat
from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion, Predictor, Strategy
from src.strategies.corrected import (
    RECORD,
    Estimator,
    Folds,
    Quantile,
    estimate,
    prior_behind,
    read,
    recorded,
    write,
)
from src.strategies.selection import easiest, mean_of
from src.task import Batch, Split, Task
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from src.training import Trainer

log = logging.getLogger("src")


class Coteaching(Strategy):
    """Each network learns from the 1 - R examples of a batch whose observed labels its peer finds most probable.

    R = forget · min((progress / ramp)^power, 1) (algorithm 1, step 8, where ramp is T_k over the epochs and forget is
    the share of wrong labels: a number, or what the noise model's T says, or one estimated as by `Corrected`). `stratify`
    selects within each observed class, since rare classes have large losses and a common threshold discards them; R is
    then taken for every class's share, which it is where flips are symmetric and classes equally frequent. It is that of
    the examples as they are, however they are drawn.
    Selection goes by -log p of the label, learning by the criterion. Scores are the mean of both networks'
    probabilities: `model` and `peer`, which differ only in their initial weights.
    """

    changes = chooses = True

    def __init__(
        self,
        *,
        forget: Dropout | Literal["estimated"] | None = None,
        ramp: Annotated[float, Gt(0), Le(1)] = 0.3,
        power: PositiveFloat = 1.0,
        stratify: bool = True,
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
    ) -> None:
        super().__init__()
        self.forget, self.ramp, self.power, self.stratify = forget, ramp, power, stratify
        self.transition = "estimated" if forget == "estimated" else None
        self.estimator: Estimator = estimator
        self.quantile, self.folds = quantile, folds

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.peer = copy.deepcopy(model)
        self.peer.setup(task)
        self.wrong: float | None = None if self.forget == "estimated" else self.forget
        if self.forget is None:
            self.wrong = flip_rate(task.transition, task.class_counts)

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        if self.forget == "estimated":
            self.wrong = flip_rate(self._estimated(task, model, trainer), task.class_counts)
            if self.wrong is None:
                raise UserError(
                    "strategy.forget=estimated: the estimate of the transition matrix is singular, so that it does not tell the "
                    "share of wrong labels; give strategy.forget a number"
                )
            log.info("strategy.forget=estimated: a share of %.3f of the labels is wrong", self.wrong)
        if self.wrong is None:
            raise UserError(
                "strategy.forget=null: the share of wrong labels is not known, since the labels have no (invertible) "
                "transition matrix that is stated; give strategy.forget a number"
            )
        return super().fit(task, model, trainer)

    def _estimated(self, task: Task, model: Model, trainer: Trainer) -> TransitionMatrix:
        """T out of fold; recorded in the run's folder, where a resumed run finds it."""
        record = trainer.folder / RECORD
        if not record.exists():
            matrix = estimate(self.estimator, task, model, trainer, quantile=self.quantile, folds=self.folds)
            write(record, matrix, f"estimated: {self.estimator}", task)
        return read(record)

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        return recorded(train, folder)

    def forgotten(self, progress: float) -> float:
        """R, the share of a batch that is not learned from."""
        return float((self.wrong or 0.0) * min((progress / self.ramp) ** self.power, 1.0))

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        share = 1 - self.forgotten(progress)
        first, second = (network(source.x).log_softmax(dim=1) for network in (model, self.peer))
        easy_first, easy_second = (easiest(found, source.y, share, self.stratify) for found in (first, second))
        own = mean_of(self.criterion(first, source.y), easy_second)
        peer = mean_of(self.criterion(second, source.y), easy_first)
        return {"total": own + peer, "own": own, "peer": peer, "kept": easy_second.float().mean()}

    def scores(self, model: Model, x: Any) -> Tensor:
        return (super().scores(model, x) + super().scores(self.peer, x)) / 2


def flip_rate(matrix: TransitionMatrix | None, counts: npt.ArrayLike) -> float | None:
    """The share of wrong labels, Σ_j P(true j) (1 - T[j, j]), the class mix from T and the observed counts; None: unknown."""
    if matrix is None or matrix.singular:
        return None
    return float(prior_behind(matrix, counts) @ (1 - np.diag(matrix.columns)))
