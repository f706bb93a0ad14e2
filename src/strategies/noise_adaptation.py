"""A noise layer behind the network (Sukhbaatar 2014; Goldberger 2017): T is learned by the gradient, with the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from src.component import Fraction, NonNegativeFloat, OpenFraction, PositiveFloat
from src.models.base import Model
from src.strategies.base import Criterion, ParameterGroups, Predictor
from src.strategies.corrected import RECORD, Corrected, Estimator, Folds, Quantile, Source, posterior_of_observed, write
from src.task import Batch, FloatArray, Task
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from src.training import Trainer


class NoiseAdaptation(Corrected):
    """The criterion on log(T̂ p), T̂ the softmax of (C, C) logits over the observed axis (Goldberger 2017, equation 4).

    Until `start` T̂ stays where it began and the loss is forward correction; then it learns, at its own rate. The
    identity explains any labels if the network memorises them; `trace` times the mean of T̂'s diagonal counts against
    that (Sukhbaatar 2014, section 3.2). The matrix learned is recorded as the run's transition matrix.
    """

    def __init__(
        self,
        *,
        transition: Literal["near_identity"] | Source = "near_identity",
        spread: OpenFraction = 0.1,
        start: Fraction = 0.2,
        trace: NonNegativeFloat = 0.1,
        lr_factor: PositiveFloat = 1.0,
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
    ) -> None:
        source: Source = "known" if transition == "near_identity" else transition
        super().__init__(source, estimator, quantile, folds)
        self.near_identity, self.spread = transition == "near_identity", spread
        self.begins_with = None if self.near_identity else source
        self.start, self.trace, self.lr_factor = start, trace, lr_factor

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        classes = task.num_classes
        self.noise_layer = nn.Parameter(torch.zeros(classes, classes))
        stay = np.eye(classes)
        self.use(TransitionMatrix((1 - self.spread) * stay + self.spread / (classes - 1) * (1 - stay)))

    def use(self, matrix: TransitionMatrix) -> None:
        super().use(matrix)
        with torch.no_grad():
            self.noise_layer.copy_(self.T.clamp_min(1e-12).log())

    def learned(self) -> Tensor:
        """T̂, (C, C), columns sum to 1."""
        return self.noise_layer.softmax(dim=0)

    def reweigh(self, factor: FloatArray) -> None:
        self.T.copy_(torch.from_numpy(self.now().reweighted(factor).columns.copy()))
        with torch.no_grad():  # and the layer, whatever it has learned
            self.noise_layer.add_(torch.from_numpy(np.log(factor)).to(self.noise_layer)[:, None])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if f"{prefix}logits" in state_dict:  # its name in older checkpoints
            state_dict[f"{prefix}noise_layer"] = state_dict.pop(f"{prefix}logits")
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def believed(self) -> Tensor:
        return self.learned()

    def true_mix(self, observed: FloatArray) -> None:
        """Not known: T is learned."""

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        learning = progress >= self.start
        matrix = self.learned() if learning else self.T
        fit = self.criterion(posterior_of_observed(model(source.x).log_softmax(dim=1), matrix), source.y).mean()
        diagonal = matrix.diagonal().mean()
        return {"total": fit + self.trace * diagonal if learning else fit, "fit": fit, "diagonal": diagonal}

    def parameter_groups(self, model: Model) -> ParameterGroups:
        layer = {"params": [self.noise_layer], "lr_factor": self.lr_factor, "weight_decay": 0.0}
        return [{"params": list(model.parameters())}, layer]

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        if not self.near_identity:
            self.begin(task, model, trainer)
        predictor = trainer.minimise(model, self)
        matrix = TransitionMatrix(self.learned().detach().cpu().double().numpy())
        write(trainer.folder / RECORD, self.of_all(matrix), "learned: noise layer", task)
        return predictor
