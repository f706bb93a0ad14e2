"""What seeds say about a configuration, and about the difference of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np


def summary(values: Sequence[float]) -> dict[str, float]:
    """mean, sd (n - 1), n, and the 95 % t interval of the mean (low, high); NaN where n < 2. Raises ValueError if empty."""
    if not len(values):
        raise ValueError("no values to summarise")
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return {"mean": mean, "sd": math.nan, "n": n, "low": math.nan, "high": math.nan}
    from scipy.stats import t

    sd = float(np.std(values, ddof=1))
    half = float(t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    return {"mean": mean, "sd": sd, "n": n, "low": mean - half, "high": mean + half}


def aggregate(values: Sequence[float], how: Literal["mean", "median", "iqm"]) -> float:
    """The middle of the seeds; iqm: mean of the middle half (Agarwal 2021). Raises ValueError if empty."""
    if not len(values):
        raise ValueError("no values to aggregate")
    if how == "iqm":
        from scipy.stats import trim_mean

        return float(trim_mean(values, 0.25))
    return float(np.median(values) if how == "median" else np.mean(values))
