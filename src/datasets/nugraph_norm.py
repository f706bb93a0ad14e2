"""Mean and deviation of hits' features: exact ones, and those that the reference implementation's merging gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from src.task import FloatArray

BATCH = 64
"""Graphs that the reference merges at a time, in the file's order."""


@dataclass(frozen=True)
class Moments:
    """Of n rows: their mean, and the sum of squared distances from it; float64."""

    n: int
    mean: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, x: npt.NDArray[Any]) -> Moments:
        """Of rows (n, features)."""
        x = x.astype(np.float64)
        mean = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
        return cls(len(x), mean, np.square(x - mean).sum(axis=0))

    def joined(self, other: Moments) -> Moments:
        """Of the rows of both (Chan et al. 1983), without loss of precision."""
        n, apart = self.n + other.n, other.mean - self.mean
        share = other.n / max(n, 1)
        return Moments(n, self.mean + apart * share, self.squares + other.squares + apart**2 * self.n * share)

    @property
    def norm(self) -> npt.NDArray[np.float32]:
        """(2, features): mean and unbiased standard deviation; 1 where all values are equal, or there is one at most."""
        deviation = np.sqrt(self.squares / max(self.n - 1, 1))
        return np.stack([self.mean, np.where(deviation > 0, deviation, 1.0)]).astype(np.float32)


def exact(blocks: Iterable[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Mean and unbiased standard deviation of the rows of all blocks, each (n, features)."""
    first, *others = (Moments.of(block) for block in blocks)
    for other in others:
        first = first.joined(other)
    return first.norm


def reference(batches: Iterable[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """What NuGraph's FeatureNormMetric makes of batches: the deviation is merged step by step, as if n - 1 were n.

    A little too large; NaN after a batch of one row, infinite or NaN numbers for none, as there.
    """
    n, mean, deviation = 0, np.float64(0), np.float64(0)
    for batch in batches:
        x = batch.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            its_mean = x.sum(axis=0) / len(x)
            its_variance = np.square(x - its_mean).sum(axis=0) / (len(x) - 1)
            together = (n * mean + len(x) * its_mean) / (n + len(x))
            before, new = deviation**2 + (together - mean) ** 2, its_variance + (together - its_mean) ** 2
            deviation = np.sqrt((n * before + len(x) * new) / (n + len(x)))
        n, mean = n + len(x), together
    return np.stack([mean, deviation]).astype(np.float32)
