"""Bagged and boosted decision trees on the inputs themselves, the related work's families for noisy labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from src.component import Fraction, OpenFraction, PositiveFloat, PositiveInt
from src.errors import UserError
from src.inference import vectors
from src.models.base import Model
from src.seeding import numpy_stream
from src.strategies import boosting
from src.strategies.base import Criterion, Predictor, Strategy
from src.strategies.boosting import Examples, Growth
from src.strategies.trees import Trees, Vote
from src.task import FloatArray, Task

if TYPE_CHECKING:
    from src.training import Trainer

Kind = Literal["bagging", "balanced_bagging", "adaboost", "rusboost", "logitboost", "smoothboost"]


class Ensemble(Strategy):
    """Trees on the flattened inputs, which are held in memory; the model, the optimizer and augmentation are not used.

    The rounds are spread over `trainer.epochs`, after each of which the ensemble so far is validated. Trees learn from
    the examples that the imbalance strategy draws for one epoch, with its class weights, which the two balancing kinds
    refuse. Scores: the mean of shares (bagging, balanced_bagging), softmax of the votes (adaboost, rusboost, as
    scikit-learn), softmax (logitboost), or the classes' mean hypotheses scaled to sum to 1 (smoothboost, not calibrated).
    """

    own_loss = True

    def __init__(
        self,
        *,
        kind: Kind = "bagging",
        n_estimators: PositiveInt = 100,
        max_depth: PositiveInt | None = 3,
        learning_rate: PositiveFloat = 1.0,
        kappa: Fraction = 0.1,
        gamma: OpenFraction = 0.05,
    ) -> None:
        super().__init__()
        self.kind, self.rounds, self.depth = kind, n_estimators, max_depth
        self.learning_rate, self.kappa, self.gamma = learning_rate, kappa, gamma
        self.balances = kind in ("balanced_bagging", "rusboost")

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        if task.input_kind == "graph":
            raise UserError("strategy=ensemble takes vectors and images, not graphs; use strategy=erm")
        self.trees = Trees.none(task.num_classes)

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        return trainer.follow(Predictor(model, self), self._epochs(task, trainer))

    def _epochs(self, task: Task, trainer: Trainer) -> Iterator[dict[str, float]]:
        grow = getattr(boosting, self.kind)
        how = Growth(self.rounds, self.depth, self.learning_rate, self.kappa, self.gamma, trainer.seed)
        data = self._examples(task, trainer)
        votes: list[Vote] = []
        told = 0
        for number, new in enumerate(grow(data, how), start=1):
            votes += new
            due = number * trainer.options.epochs // self.rounds
            if due > told:
                told = due
                yield self._use(votes, task, trainer)
        if len(self.trees.root) < len(votes):  # it stopped before the last round
            yield self._use(votes, task, trainer)

    def _use(self, votes: list[Vote], task: Task, trainer: Trainer) -> dict[str, float]:
        self.trees = Trees.of(votes, task.num_classes).to(trainer.device)
        return {"train/trees": float(len(votes))}

    def _examples(self, task: Task, trainer: Trainer) -> Examples:
        split = trainer.train
        trainer.balance.at(1.0)  # one draw serves all rounds: as the training would end
        drawn = np.sort(trainer.balance.order(numpy_stream(trainer.seed, "batches", 1)))
        y = split.labels[drawn]
        undecided = torch.full((len(y), task.num_classes), -math.log(task.num_classes), device=trainer.device)
        loss = self.criterion(undecided, torch.from_numpy(y).to(trainer.device))  # a class's weight, up to a factor
        weight = loss.cpu().double().numpy()
        return Examples(vectors(split.inputs, split.rows[drawn]), y, weight / weight.mean(), task.num_classes)

    def class_mix(self, seen: FloatArray) -> FloatArray:
        return (seen > 0).astype(np.float64) if self.balances else seen

    def scores(self, model: Model, x: Any) -> Tensor:
        votes = self.trees.to(x.device).votes(x.flatten(1).float())
        if self.kind in ("adaboost", "rusboost", "logitboost"):
            return votes.softmax(dim=1)
        votes = votes.clamp_min(torch.finfo(votes.dtype).tiny)
        return votes / votes.sum(dim=1, keepdim=True)

    def get_extra_state(self) -> dict[str, Any]:
        return dict(vars(self.trees))

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.trees = Trees(**state)
