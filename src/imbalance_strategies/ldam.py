"""Rare classes must win by more."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from src.component import Fraction, PositiveFloat
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.effective_number import Beta, effective_number_weights
from src.task import FloatArray, IntArray, class_counts


class LDAM(ImbalanceStrategy):
    """Cross-entropy of s · (cos_y - Δ_y), s · cos_j, with margins Δ_c ∝ n_c^(-1/4), the largest `max_margin` (Cao 2019).

    `scale` is s, as model.head=cosine multiplies its cosines by; another value only changes the margins. `drw_start` is
    the progress from which on classes are weighted too, by effective numbers (the paper's DRW: 0.8, and `drw_beta`
    0.9999); null: never. The effective prior is that of the training's end, whichever epoch is selected.
    """

    reshapes = cosine_head = True

    def __init__(
        self,
        *,
        max_margin: PositiveFloat = 0.5,
        scale: PositiveFloat = 30.0,
        drw_start: Fraction | None = None,
        drw_beta: Beta = 0.9999,
    ) -> None:
        self.max_margin, self.scale = max_margin, scale
        self.drw_start, self.drw_beta = drw_start, drw_beta
        self.balances = self.changes = drw_start is not None

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        counts = class_counts(labels, num_classes)
        self.margins = torch.from_numpy(self.scale * self.max_margin * margins(counts)).float()
        self.deferred = torch.from_numpy(effective_number_weights(counts, self.drw_beta)).float()
        self.at(0.0)

    def at(self, progress: float) -> None:
        self.weighs = self.drw_start is not None and progress >= self.drw_start

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        self.margins, self.deferred = self.margins.to(y.device), self.deferred.to(y.device)
        margin = F.one_hot(y, self.num_classes) * self.margins
        loss = super().criterion((log_probs - margin).log_softmax(dim=1), y)
        return self.deferred[y] * loss if self.weighs else loss

    def state_dict(self) -> dict[str, Any]:
        return {"weighs": self.weighs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weighs = bool(state["weighs"])

    def effective_prior(self) -> FloatArray:
        weights = self.deferred.cpu().numpy() if self.weighs else 1
        return np.asarray(super().effective_prior() * weights)


def margins(counts: IntArray) -> FloatArray:
    """n_c^(-1/4), scaled so that the largest is 1; 0 for a class without examples."""
    present = counts > 0
    margin = np.where(present, np.where(present, counts, 1) ** -0.25, 0)
    return np.asarray(margin / margin.max())
