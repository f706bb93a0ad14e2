"""Co-teaching (Han 2018): two networks, each taught by the examples that the other finds easy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Gt, Le
from torch import Tensor

from src.component import Dropout, PositiveFloat
from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion, Predictor, Strategy
from src.strategies.corrected import prior_behind
from src.strategies.selection import easiest, mean_of
from src.task import Batch, Task

if TYPE_CHECKING:
    from src.training import Trainer


class Coteaching(Strategy):
    """Each network learns from the 1 - R examples of a batch whose observed labels its peer finds most probable.

    R = forget · min((progress / ramp)^power, 1) (algorithm 1, step 8, where ramp is T_k over the epochs and forget is
    the share of wrong labels). `stratify` selects within each observed class, since rare classes have large losses and
    a common threshold discards them. Selection goes by -log p of the label, learning by the criterion. Scores are the
    mean of both networks' probabilities: `model` and `peer`, which differ only in their initial weights.
    """

    changes = chooses = True

    def __init__(
        self,
        *,
        forget: Dropout | None = None,
        ramp: Annotated[float, Gt(0), Le(1)] = 0.3,
        power: PositiveFloat = 1.0,
        stratify: bool = True,
    ) -> None:
        super().__init__()
        self.forget, self.ramp, self.power, self.stratify = forget, ramp, power, stratify

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.peer = copy.deepcopy(model)
        self.peer.setup(task)
        self.wrong = flip_rate(task) if self.forget is None else self.forget

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        if self.wrong is None:
            raise UserError(
                "strategy.forget=null: the share of wrong labels is not known, since this noise_model has no (invertible) "
                "transition matrix; give strategy.forget a number"
            )
        return super().fit(task, model, trainer)

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


def flip_rate(task: Task) -> float | None:
    """The share of wrong labels, Σ_j P(true j) (1 - T[j, j]), the class mix from T and the observed counts; None: unknown."""
    if task.transition is None:
        return None
    try:
        prior = prior_behind(task.transition, task.class_counts)
    except ValueError:
        return None
    return float(prior @ (1 - np.diag(task.transition.columns)))
