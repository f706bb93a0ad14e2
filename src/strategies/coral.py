"""Deep CORAL (Sun & Saenko 2016): features whose covariance is the same in both domains."""

from __future__ import annotations

import torch
from torch import Tensor

from src.strategies.two_domains import Alignment


class CORAL(Alignment):
    """Class loss plus scale · the distance between the covariances of the source's features and the target's."""

    term = "coral"

    def distance(self, x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> Tensor:
        return covariance_distance(x, y, w, v)


def covariance_distance(x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """|C(x) - C(y)|² / (4 d²), Frobenius norm, of (n, d) and (m, d) with weights (n,) and (m,); 0 if n or m is below 2.

    Equation 1. In float32 also where the network is not: a difference of sums has no bits to lose.
    """
    if min(len(x), len(y)) < 2:
        return x.new_zeros(())
    with torch.autocast(x.device.type, enabled=False):
        difference = covariance(x.float(), w) - covariance(y.float(), v)
    return difference.square().sum() / (4 * x.shape[1] ** 2)


def covariance(x: Tensor, w: Tensor) -> Tensor:
    """(d, d), unbiased: what for equal weights is divided by n - 1 is here by Σw - Σw² / Σw."""
    tiny = torch.finfo(x.dtype).tiny
    share = w / w.sum().clamp_min(tiny)
    centred = x - share @ x
    return (share[:, None] * centred).T @ centred / (1 - share.square().sum()).clamp_min(tiny)
