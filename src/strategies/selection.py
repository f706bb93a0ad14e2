"""Which examples of a batch are learned from, by how probable their observed labels look."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from src.strategies.base import negative_log_likelihood


def easiest(log_probs: Tensor, y: Tensor, share: float, stratify: bool) -> Tensor:
    """Mask (B,) of the share with the smallest -log p of the label, of the batch or (`stratify`) of each class in it."""
    return smallest(negative_log_likelihood(log_probs.detach(), y), *_groups(log_probs, y, stratify), share)


def hardest(log_probs: Tensor, y: Tensor, share: float, stratify: bool) -> Tensor:
    """Mask (B,) of the share with the largest -log p of the label, of the batch or (`stratify`) of each class in it."""
    return smallest(-negative_log_likelihood(log_probs.detach(), y), *_groups(log_probs, y, stratify), share)


def _groups(log_probs: Tensor, y: Tensor, stratify: bool) -> tuple[Tensor, int]:
    return (y, log_probs.shape[1]) if stratify else (torch.zeros_like(y), 1)


def smallest(losses: Tensor, group: Tensor, groups: int, share: float) -> Tensor:
    """Mask (B,) of the share with the smallest losses in each of the groups, to the nearest whole number, at least one."""
    order = losses.argsort(stable=True)
    members = F.one_hot(group[order], groups)
    rank = (members.cumsum(dim=0) * members).sum(dim=1)
    quota = (share * members.sum(dim=0)).round().clamp_min(1)[group[order]]
    return torch.empty_like(group, dtype=torch.bool).scatter(0, order, rank <= quota)


def loss_of(kept: Tensor, losses: Tensor) -> dict[str, Tensor]:
    """`total` over the kept examples; beside it `all`, the mean over the whole batch, and the share `kept`."""
    return {"total": mean_of(losses, kept), "all": losses.detach().mean(), "kept": kept.float().mean()}


def mean_of(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()
