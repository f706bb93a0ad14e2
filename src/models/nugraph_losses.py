"""The losses of NuGraph2's heads beside the event's."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from src.graphs import NOISE

RecallMean = Literal["all", "labelled"]
SemanticLoss = Literal["recall", "cross_entropy", "focal"]
FOCUS = 2.0
"""The exponent γ of the focal loss, as Lin 2017 chose it."""


def semantic_loss(logits: Tensor, y: Tensor, kind: SemanticLoss, mean: RecallMean) -> Tensor:
    """A scalar from (N, C) logits and (N,) classes, NOISE left out; 0 if nothing has a class.

    recall weighs class c by 1 - its recall in the batch, 1 for one that is absent, without a gradient (Tian 2021); focal
    weighs a hit by (1 - p_y)^γ (Lin 2017). The sum is divided by the number of hits with a class, or for mean=all, in
    recall only, by the number of all.
    """
    cross_entropy = F.cross_entropy(logits, y, ignore_index=NOISE, reduction="none")
    known = (y != NOISE).sum()
    if kind == "recall":
        loss = _missed(logits.detach(), y) * cross_entropy
        return loss.sum() / (len(y) if mean == "all" and len(y) else known.clamp_min(1))
    if kind == "focal":
        cross_entropy = (1 - (-cross_entropy).exp()) ** FOCUS * cross_entropy
    return cross_entropy.sum() / known.clamp_min(1)


def _missed(logits: Tensor, y: Tensor) -> Tensor:
    """(N,): 1 - recall of the class of each; of NOISE, any number."""
    of_class = F.one_hot(y.clamp_min(0), logits.shape[1]) * (y != NOISE)[:, None]
    right = (logits.argmax(dim=1) == y)[:, None]
    recall = (of_class * right).sum(dim=0) / of_class.sum(dim=0).clamp_min(1)
    return (1 - recall)[y.clamp_min(0)]


def filter_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean binary cross-entropy of (N,) logits, whether a hit is of a particle; 0 without hits."""
    signal = (y != NOISE).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, signal, reduction="sum") / max(1, len(y))


def log_cosh(found: Tensor, true: Tensor) -> Tensor:
    """Mean of log cosh r over the distances r of (B, 3) positions."""
    r = torch.linalg.vector_norm(found - true, dim=1)
    return (r + F.softplus(-2 * r) - math.log(2)).mean()
