"""Generalised cross-entropy (Zhang 2018): between cross-entropy, which learns fast, and the robust mean absolute error."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor

from src.component import Fraction, OpenFraction
from src.models.base import Model
from src.strategies.base import Strategy
from src.task import Batch


class GCE(Strategy):
    """(1 - p_y^q) / q (equation 6): cross-entropy for q → 0, half the mean absolute error for q = 1.

    Each example counts as the imbalance strategy's criterion counts its label. With `truncate` the loss is constant
    where p_y ≤ truncate (equation 9), so such examples teach nothing, from that share of the training on; this
    descends that loss itself and does not alternate with a pruning of the whole set, as the paper does. `kept` is
    the share of examples above.
    """

    own_loss = True

    def __init__(
        self,
        *,
        q: Annotated[float, Gt(0), Le(1)] = 0.7,
        truncate: OpenFraction | None = None,
        truncate_from: Fraction = 0.4,
    ) -> None:
        super().__init__()
        self.q, self.truncate, self.truncate_from = q, truncate, truncate_from
        self.changes = truncate is not None and truncate_from > 0

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        log_probs = model(source.x).log_softmax(dim=1)
        log_p = log_probs.gather(1, source.y[:, None]).squeeze(1)
        weight, kept = self.weight(log_probs, source.y), {}
        if self.truncate is not None and progress >= self.truncate_from:
            kept = {"kept": (log_p.detach().exp() > self.truncate).float().mean()}
            log_p = log_p.clamp_min(math.log(self.truncate))
        return {"total": (weight * power_loss(log_p, self.q)).mean(), **kept}


def power_loss(log_p: Tensor, q: float) -> Tensor:
    """(1 - p^q) / q from log p, whose gradient is finite (0) even where p underflows to 0; (1 - p**q) / q has nan there."""
    return -torch.expm1(q * log_p) / q
