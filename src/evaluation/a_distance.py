"""How far apart two domains are in a network's features, as far as a linear classifier can tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.evaluation.statistics import summary
from src.task import FloatArray, IntArray

MOST = 2_000
"""Examples of a domain that are used."""
FOLDS = 5
C = 0.01
"""Inverse of the penalty, of standardised features: with scikit-learn's own 1, hundreds of features are learned by heart."""


def a_distance(
    features: npt.NDArray[np.float32] | FloatArray, domain: IntArray, rng: np.random.Generator
) -> dict[str, float]:
    """Proxy A-distance 2 (1 - 2 ε) of features (n, d), domains (n,): mean, sd, n, low, high over five folds.

    ε is the error, on the examples left out, of a logistic regression that is trained to tell the domains apart, on as many
    examples of one as of the other: the distance is about 0 where it cannot (a little below by chance), 2 where it never
    errs (Ben-David 2007). What few examples of many features do not show to it, is missing. low and high are
    the 95 % t interval of the mean, as if the folds were independent; they may lie outside 0 to 2.
    Raises ValueError unless there are exactly two domains, UserError if one has fewer than five examples.
    """
    rows = _balanced(domain, rng)
    source = domain[rows] == domain.min()
    errors = _errors(np.asarray(features[rows], dtype=np.float64), source, int(rng.integers(1 << 31)))
    return summary([2 * (1 - 2 * error) for error in errors])


def _balanced(domain: IntArray, rng: np.random.Generator) -> IntArray:
    """Positions of equally many examples of each domain, drawn at random."""
    present, counts = np.unique(domain, return_counts=True)
    if len(present) != 2:
        raise ValueError(f"a distance is between two domains; these features are of {len(present)}")
    each = min(MOST, *counts.tolist())
    if each < FOLDS:
        raise UserError(f"the A-distance needs {FOLDS} examples of each domain; one has {each}")
    return np.concatenate([rng.choice(np.flatnonzero(domain == d), each, replace=False) for d in present])


def _errors(x: FloatArray, source: npt.NDArray[np.bool_], seed: int) -> list[float]:
    """Of each fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    return [1 - float(accuracy) for accuracy in cross_val_score(probe, x, source, cv=folds)]
