"""A split with given labels, and features that one can tell the classes by."""

import numpy as np

from src.datasets.inputs import ArrayInputs
from src.task import Split


def split_of(labels, features=6, seed=0):
    labels = np.asarray(labels, dtype=np.int64)
    n = len(labels)
    x = np.random.default_rng(seed).standard_normal((n, features)).astype(np.float32)
    x[np.arange(n), labels % features] += 3
    return Split(
        ArrayInputs(x, scale="none"), np.arange(n), labels, labels, 0 * labels, np.ones(n), np.ones(n, dtype=bool)
    )
