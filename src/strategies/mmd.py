"""Maximum mean discrepancy (Long 2015): features whose distribution is the same in both domains, as kernels see it."""

from __future__ import annotations

import torch
from torch import Tensor

from src.strategies.two_domains import Alignment

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The kernels' bandwidths over the median squared distance."""

SMALLEST = 1e-12
"""Bandwidth where most examples have the same features."""


class MMD(Alignment):
    """Class loss plus scale · MMD² between the features of the source's batch and the target's."""

    term = "mmd"

    def distance(self, x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> Tensor:
        return squared_mmd(x, y, w, v)


def squared_mmd(x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """The unbiased estimate of MMD² from (n, d) and (m, d) with weights (n,) and (m,); 0 if n or m is below 2.

    E k(x, x') + E k(y, y') - 2 E k(x, y) without pairs of an example and itself (Gretton 2012, equation 3), so that it is 0
    in expectation for equal distributions and may be negative. k is the mean of exp(-|a - b|² / bandwidth) over five
    bandwidths, multiples of the median |a - b|² of all pairs, which the gradient takes for a constant.
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        return x.new_zeros(())
    both = torch.cat([x, y])
    distance = torch.cdist(both, both, compute_mode="donot_use_mm_for_euclid_dist").square()
    others = ~torch.eye(n + m, dtype=torch.bool, device=x.device)
    median = distance.detach()[others].median().clamp_min(SMALLEST)
    kernel = torch.stack([torch.exp(-distance / (factor * median)) for factor in FACTORS]).mean(dim=0)
    within = _mean(kernel[:n, :n], w, w, others[:n, :n]) + _mean(kernel[n:, n:], v, v, others[n:, n:])
    return within - 2 * _mean(kernel[:n, n:], w, v, others[:n, n:])


def _mean(kernel: Tensor, w: Tensor, v: Tensor, counted: Tensor) -> Tensor:
    """The kernel's weighted mean over the pairs that are counted."""
    weight = w[:, None] * v * counted
    return (weight * kernel).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
