"""The one type for transition matrices, with the one convention: T[i, j] = P(observed i | true j)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TOLERANCE = 1e-6


class TransitionMatrix:
    """P(observed i | true j) as columns that sum to 1; immutable.

    Raises ValueError for a matrix that is not square, has entries outside [0, 1], or columns that do not sum to 1.
    """

    def __init__(self, columns: npt.ArrayLike) -> None:
        try:
            matrix = np.array(columns, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError("a transition matrix has numbers only, and rows of one length") from None
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
            raise ValueError(f"a transition matrix is square, not of shape {matrix.shape}")
        if not ((matrix >= 0) & (matrix <= 1)).all():
            raise ValueError("the entries of a transition matrix are probabilities, 0 to 1")
        sums = matrix.sum(axis=0)
        if not np.allclose(sums, 1, rtol=0, atol=TOLERANCE):
            hint = "; its rows do: transpose it" if np.allclose(matrix.sum(axis=1), 1, rtol=0, atol=TOLERANCE) else ""
            listed = ", ".join(f"{value:.4g}" for value in sums)
            raise ValueError(f"T[i][j] = P(observed i | true j): the columns must sum to 1, not to {listed}{hint}")
        matrix /= sums
        matrix.flags.writeable = False
        self.columns: FloatArray = matrix

    @classmethod
    def identity(cls, num_classes: int) -> TransitionMatrix:
        return cls(np.eye(num_classes))

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def rows(self) -> FloatArray:
        """The transposed form of other authors: rows[j, i] = P(observed i | true j), rows sum to 1."""
        return self.columns.T

    def condition_number(self) -> float:
        """Ratio of the largest to the smallest singular value; infinite for a singular matrix."""
        return float(np.linalg.cond(self.columns))

    @property
    def singular(self) -> bool:
        return not self.condition_number() < 1 / np.finfo(np.float64).eps

    def inverse(self) -> FloatArray:
        """T⁻¹, whose columns also sum to 1 but whose entries may be negative. Raises ValueError if T is singular."""
        if self.singular:
            raise ValueError("this transition matrix is singular: observed labels do not tell the true classes apart")
        return np.linalg.inv(self.columns).astype(np.float64)

    def reweighted(self, factor: npt.ArrayLike) -> TransitionMatrix:
        """T of examples that are drawn, or counted, factor[i] times as often where i is observed: factor_i T[i, j] over its
        sum of the column. Of the factors, all above 0, only ratios matter; 1 / factor undoes it.

        What it maps to the observed mix of such examples is the true mix, Σ_i factor_i T[i, j] times as much of j as before.
        """
        joint = np.asarray(factor, dtype=np.float64)[:, None] * self.columns
        return TransitionMatrix(joint / joint.sum(axis=0))

    def alike(self) -> tuple[int, int] | None:
        """The first two classes with equal columns, which no observed label tells apart; None if there are none."""
        for j in range(len(self)):
            for k in range(j + 1, len(self)):
                if np.allclose(self.columns[:, j], self.columns[:, k], rtol=0, atol=TOLERANCE):
                    return j, k
        return None

    def entries(self, prefix: str) -> dict[str, float]:
        """`prefix`/T.i.j → entry, for metrics; nothing above ten classes, where nobody reads them."""
        if len(self) > 10:
            return {}
        return {f"{prefix}/T.{i}.{j}": float(value) for (i, j), value in np.ndenumerate(self.columns)}

    def posterior(self, prior: Sequence[float] | FloatArray) -> FloatArray:
        """Q[y, s] = P(true y | observed s) by Bayes' rule for a prior of the true classes; columns sum to 1.

        The column of a label that is never observed is the prior. Raises ValueError for a prior that is not one number
        of at least 0 for each class, or zero for all of them; it need not sum to 1.
        """
        prior = np.asarray(prior, dtype=np.float64)
        if prior.shape != (len(self),):
            raise ValueError(f"a prior has one number for each of the {len(self)} classes, not the shape {prior.shape}")
        if not (np.isfinite(prior) & (prior >= 0)).all() or not prior.any():
            raise ValueError(f"a prior has finite numbers of at least 0, not all of them 0, unlike {prior.tolist()}")
        prior = prior / prior.sum()
        joint = self.columns * prior
        observed = joint.sum(axis=1)
        share = joint / np.where(observed > 0, observed, 1)[:, None]
        return np.where(observed[:, None] > 0, share, prior).T

    def __repr__(self) -> str:
        return f"TransitionMatrix({self.columns.tolist()})"
