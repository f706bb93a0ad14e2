"""The class mix is divided out of what the model predicts."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from src.component import NonNegativeFloat
from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray, class_counts


class LogitAdjustment(ImbalanceStrategy):
    """Logit adjustment with π_c the class's share of the observed training labels (Menon 2021).

    loss: cross-entropy of z + τ log π (equation 10), plain z for new examples; τ = 1 is the balanced softmax (Ren 2020).
    post_hoc: plain training, z - τ log π for new examples (equation 9). Both make the scores those of a class mix
    π^(1 - τ), at τ = 1 a balanced one. A class without examples counts as if it had one.
    """

    balances = True

    def __init__(self, *, tau: NonNegativeFloat = 1.0, mode: Literal["loss", "post_hoc"] = "loss") -> None:
        self.tau, self.mode = tau, mode
        self.reshapes, self.adjusts_scores = mode == "loss", mode == "post_hoc"

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        share = np.maximum(class_counts(labels, num_classes), 1) / len(labels)
        self.log_prior = np.asarray(self.tau * np.log(share))
        self.offset = torch.from_numpy(self.log_prior).float()

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        if self.mode == "loss":
            self.offset = self.offset.to(y.device)
            log_probs = (log_probs + self.offset).log_softmax(dim=1)
        return super().criterion(log_probs, y)

    def effective_prior(self) -> FloatArray:
        prior = super().effective_prior()
        present = prior > 0
        return np.where(present, np.where(present, prior, 1) ** (1 - self.tau), 0)

    def score_offset(self) -> FloatArray | None:
        return self.log_prior if self.mode == "post_hoc" else None
