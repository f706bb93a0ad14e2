"""Conditional adversarial domain adaptation (Long 2018): no domain in the features together with what they predict."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from src.component import Dropout, NonNegativeFloat, PositiveInt
from src.models.base import Model
from src.strategies.base import Criterion, weighted_mean
from src.strategies.dann import DANN
from src.task import Batch, Task, joined

LARGEST = 4096
"""Longer products of features and probabilities are projected."""


class CDAN(DANN):
    """DANN whose domain head reads f ⊗ p, the product of every feature and every class's probability (equation 5).

    So domains are aligned class by class. Of more than 4096 products `projection` random combinations stand in,
    (R_f f) ⊙ (R_p p) / √projection with standard normal R (equation 6), whose inner products are the same in
    expectation. Nothing of the product is detached. `entropy` weighs an example of the domain loss by 1 + exp(-H(p))
    (CDAN+E), a constant to the gradient with mean 1 in each domain, so that the sure ones are aligned first.
    """

    random_map: Tensor | None
    """R_f, and below it R_p, (feature_dim + C, projection); None where nothing is projected."""

    def __init__(
        self,
        *,
        scale: NonNegativeFloat | Literal["ramp"] = "ramp",
        hidden: PositiveInt = 128,
        dropout: Dropout = 0.5,
        projection: PositiveInt = 1024,
        entropy: bool = True,
    ) -> None:
        super().__init__(scale=scale, hidden=hidden, dropout=dropout)
        self.projection, self.entropy = projection, entropy

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        rows = model.feature_dim + task.num_classes
        projects = model.feature_dim * task.num_classes > LARGEST
        self.register_buffer("random_map", torch.randn(rows, self.projection) if projects else None)

    def width(self, task: Task, model: Model) -> int:
        products = model.feature_dim * task.num_classes
        return products if products <= LARGEST else self.projection

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        both = joined(source, target)
        features = model.features(both.x)
        logits = model.classify(features)
        p, weight = logits.softmax(dim=1), both.weight
        if self.entropy:
            weight = weight * sureness(p.detach(), weight, [len(source), len(both) - len(source)])
        x = self.product(features, p)
        return self.adversarial(self.class_loss(logits, both), x, both.domain, weight, progress)

    def product(self, features: Tensor, p: Tensor) -> Tensor:
        """(B, width) from (B, feature_dim) and (B, C)."""
        if self.random_map is None:
            return (features[:, :, None] * p[:, None, :]).flatten(1)
        of_features, of_classes = self.random_map.split([features.shape[1], p.shape[1]])
        return (features @ of_features) * (p @ of_classes) / math.sqrt(self.projection)


def sureness(p: Tensor, weight: Tensor, sizes: list[int]) -> Tensor:
    """1 + exp(-entropy) of p (B, C), over its weighted mean in each of the domains, which follow each other; (B,)."""
    raw = 1 + torch.exp(torch.special.entr(p).sum(dim=1).neg())
    parts = zip(raw.split(sizes), weight.split(sizes), strict=True)
    return torch.cat([part / weighted_mean(part, w).clamp_min(1) for part, w in parts])
