"""What seeds say about a configuration, and about the difference of two that share them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

ALPHA = 0.05
EXACT = 16  # pairs up to which every flip of signs is tried
FLIPS = 20_000  # random ones beyond


def summary(values: Sequence[float]) -> dict[str, float]:
    """mean, sd (n - 1), n, and the 95 % t interval of the mean (low, high); NaN where n < 2. Raises ValueError if empty."""
    if not len(values):
        raise ValueError("no values to summarise")
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return {"mean": mean, "sd": math.nan, "n": n, "low": math.nan, "high": math.nan}
    from scipy.stats import t

    sd = float(np.std(values, ddof=1))
    half = float(t.ppf(1 - ALPHA / 2, n - 1)) * sd / math.sqrt(n)
    return {"mean": mean, "sd": sd, "n": n, "low": mean - half, "high": mean + half}


def aggregate(values: Sequence[float], how: Literal["mean", "median", "iqm"]) -> float:
    """The middle of the seeds; iqm: mean of the middle half (Agarwal 2021). Raises ValueError if empty."""
    if not len(values):
        raise ValueError("no values to aggregate")
    if how == "iqm":
        from scipy.stats import trim_mean

        return float(trim_mean(values, 0.25))
    return float(np.median(values) if how == "median" else np.mean(values))


def paired(differences: Sequence[float], seed: int = 0) -> dict[str, float]:
    """Whether paired differences are centred at 0: mean, 95 % BCa interval (low, high), p, n, smallest_p.

    p is that of the two-sided sign-flip test: the share of all 2^n choices of signs whose mean is at least as far from
    0 (random choices beyond n = 16). `smallest_p` is the least that n allows. The interval is NaN for n < 2.
    Raises ValueError if empty.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not len(d):
        raise ValueError("no pairs to compare")
    low, high = _bca(d, seed)
    n = len(d)
    p = _sign_flip(d, seed)
    return {"mean": float(d.mean()), "low": low, "high": high, "p": p, "n": n, "smallest_p": max(2.0**-n * 2, 0.0)}


def _bca(d: np.ndarray, seed: int) -> tuple[float, float]:
    if len(d) < 2:
        return math.nan, math.nan
    if np.ptp(d) < 1e-12 * max(1.0, float(np.abs(d).max())):
        return float(d[0]), float(d[0])
    from scipy.stats import bootstrap

    with np.errstate(all="ignore"):
        found = bootstrap((d,), np.mean, method="BCa", n_resamples=9999, rng=np.random.default_rng(seed))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _sign_flip(d: np.ndarray, seed: int) -> float:
    n = len(d)
    if n <= EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=n)))
    else:
        signs = np.random.default_rng(seed).choice((1, -1), size=(FLIPS, n))
    reached = np.abs(signs @ d) >= abs(d.sum()) - 1e-12 * np.abs(d).sum()  # ties, whatever the rounding
    return float(reached.mean()) if n <= EXACT else float((1 + reached.sum()) / (1 + FLIPS))


def trend(values: npt.ArrayLike, levels: Sequence[float]) -> dict[str, float]:
    """Whether a quantity (seeds, levels) rises or falls with the level: mean slope, its 95 % BCa interval over seeds, p, n.

    p is that of Page's test (1963) of ordered levels within seeds, in the direction of the mean slope, doubled. Raises
    ValueError for fewer than three levels or two seeds, or a shape that does not fit.
    """
    from scipy.stats import page_trend_test

    table, at = np.asarray(values, dtype=np.float64), np.asarray(levels, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(at) or len(at) < 3 or len(table) < 2:
        raise ValueError(
            f"values {table.shape} at {len(at)} levels: give (seeds, levels), two seeds and three levels at least"
        )
    table = table[:, np.argsort(at)]
    centred = np.sort(at) - at.mean()
    slopes = table @ centred / (centred @ centred)
    low, high = _bca(slopes, 0)
    falling = slopes.mean() < 0
    p = float(page_trend_test(-table if falling else table).pvalue)
    return {"mean": float(slopes.mean()), "low": low, "high": high, "p": min(1.0, 2 * p), "n": len(table)}


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for so many comparisons (Holm 1979): monotone in the given ones, at most 1."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, running)
    return adjusted.tolist()


def verdict(found: dict[str, float], adjusted_p: float, comparisons: int = 1) -> str:
    """'better', 'worse', 'no difference shown', or that no result of so few seeds could be a claim."""
    if found["smallest_p"] * comparisons > ALPHA:
        return "too few seeds to claim"
    if adjusted_p > ALPHA:
        return "no difference shown"
    return "better" if found["mean"] > 0 else "worse"
