"""Made-up predictions of a known quality."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from src.evaluation.predictions import Predictions


def _make(n: int = 300, num_classes: int = 3, domains: int = 1, skill: float = 1.5, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    clean = rng.integers(num_classes, size=n)
    domain = rng.integers(domains, size=n)
    labels = np.where(rng.random(n) < 0.1, rng.integers(num_classes, size=n), clean)
    logits = rng.normal(size=(n, num_classes)) + (skill - 0.5 * domain[:, None]) * np.eye(num_classes)[clean]
    p = np.exp(logits)
    return Predictions(
        probabilities=(p / p.sum(axis=1, keepdims=True)).astype(np.float32),
        labels=labels,
        clean=clean,
        domain=domain,
        weight=rng.gamma(2.0, size=n),
        rows=rng.permutation(n),
        keys={"run": rng.integers(10**6, size=n), "file": np.array([f"f{i % 7}.h5" for i in range(n)])},
    )


@pytest.fixture
def make() -> Callable[..., Predictions]:
    return _make
