"""Rare classes count more in the loss, as far as their examples are not near copies of one another."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt

from src.imbalance_strategies.weighted import Weighted
from src.task import FloatArray, IntArray

Beta = Annotated[float, Ge(0), Lt(1)]


class EffectiveNumber(Weighted):
    """w_c ∝ 1 / E_c with the effective number E_c = (1 - β^n_c) / (1 - β) (Cui 2019, equations 2 and 8), mean 1 over classes.

    β = 0 weighs all alike; β → 1 is the inverse frequency; `auto` is (N - 1) / N, N the number of examples. (class_weights
    have mean 1 over the examples: the two need different learning rates.)
    """

    def __init__(self, *, beta: Beta | Literal["auto"] = 0.9999) -> None:
        self.beta = beta

    def weights_for(self, counts: IntArray) -> FloatArray:
        total = int(counts.sum())
        return effective_number_weights(counts, (total - 1) / total if isinstance(self.beta, str) else self.beta)


def effective_number_weights(counts: IntArray, beta: float) -> FloatArray:
    """(1 - β) / (1 - β^n_c), scaled to sum to the number of classes that have examples; 0 for those that have none."""
    present = counts > 0
    if beta == 0:
        return present.astype(np.float64)
    missing = -np.expm1(counts * np.log1p(beta - 1))  # 1 - β^n without cancellation
    weights = np.where(present, 1 / np.where(present, missing, 1), 0)
    return np.asarray(weights * present.sum() / weights.sum())
