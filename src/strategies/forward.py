"""Forward correction (Patrini 2017): the network predicts the true class, its loss is that of the observed one."""

from __future__ import annotations

from torch import Tensor

from src.models.base import Model
from src.strategies.corrected import Corrected, Estimator, Folds, Quantile, Source, posterior_of_observed
from src.task import Batch


class Forward(Corrected):
    """The criterion on log(T p) with T[i, j] = P(observed i | true j) (theorem 2); bounded below by 0.

    At the start its gradient is smaller than plain training's by T's second largest eigenvalue: it needs a larger
    learning rate.
    """

    def __init__(
        self,
        *,
        transition: Source = "known",
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
    ) -> None:
        super().__init__(transition, estimator, quantile, folds)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        observed = posterior_of_observed(model(source.x).log_softmax(dim=1), self.T)
        return {"total": self.criterion(observed, source.y).mean()}
