"""What tells domains apart: a small head on the features, its loss, and the layer that reverses its gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.strategies.base import weighted_mean


class _Reverse(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, scale: float) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.scale = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradients[0], None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return -ctx.scale * tangents[0]


def reverse_gradient(x: Tensor, scale: float) -> Tensor:
    """The identity, whose gradient is multiplied by -scale (Ganin 2016, equation 17)."""
    reversed_x: Tensor = _Reverse.apply(x, scale)
    return reversed_x


def domain_head(feature_dim: int, hidden: int, dropout: float, num_domains: int) -> nn.Sequential:
    """Logits (B, num_domains) from features (B, feature_dim)."""
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(feature_dim, hidden), nn.ReLU(inplace=True),
        nn.Dropout(dropout), nn.Linear(hidden, num_domains),
    )  # fmt: skip


def domain_loss(logits: Tensor, domain: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of (B, num_domains) logits, its weighted mean; for weights of 1 torch's own, to the bit."""
    if bool((weight == 1).all()):
        return F.cross_entropy(logits, domain)  # which adds up in another order
    return weighted_mean(F.cross_entropy(logits, domain, reduction="none"), weight)
