"""Bootstrapping (Reed 2015): targets are part label, part what the network itself believes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from src.component import Fraction
from src.models.base import Model
from src.strategies.base import Strategy
from src.task import Batch

BETA = {"soft": 0.95, "hard": 0.8}
"""The paper's, section 3.2 and 3.3."""


class Bootstrap(Strategy):
    """-Σ_k [beta · y_k + (1 - beta) · t_k] log p_k; soft: t = p (equation 6), hard: t = its largest class (equation 7).

    Plain training for the first `warm_up` of it, until there is something to believe. The gradient of a soft target
    belongs to the method: without it (`target_grad=false`) the gradient is beta times plain training's, no remedy at
    all. The second term counts each example as the imbalance strategy's criterion counts its label. `entropy` is that
    term: the cross-entropy with the network's own belief.
    """

    own_loss = True

    def __init__(
        self,
        *,
        kind: Literal["soft", "hard"] = "soft",
        beta: Fraction | None = None,
        target_grad: bool = True,
        warm_up: Fraction = 0.2,
    ) -> None:
        super().__init__()
        self.kind, self.target_grad, self.warm_up = kind, target_grad, warm_up
        self.changes = warm_up > 0
        self.beta = BETA[kind] if beta is None else beta

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        log_probs = model(source.x).log_softmax(dim=1)
        fit = self.criterion(log_probs, source.y).mean()
        if self.kind == "hard":
            own = -log_probs.amax(dim=1)
        else:
            p = log_probs.exp()
            own = -((p if self.target_grad else p.detach()) * log_probs).sum(dim=1)
        entropy = (self.weight(log_probs, source.y) * own).mean()
        beta = 1.0 if progress < self.warm_up else self.beta
        return {"total": beta * fit + (1 - beta) * entropy, "fit": fit, "entropy": entropy}
