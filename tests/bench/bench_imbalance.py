"""An epoch of a million draws from every sampler, and SMOTE among embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.smote import smote
from src.task import IntArray
from tests.bench.table import Row, seconds
from tests.contracts import yamls
from tests.contracts.sized import ready

N, CLASSES, BATCH = 7, 10, 32
OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("oversample", {"batches": "exact"}),
    ("oversample", {"batches": "duplicates"}),
    ("undersample", {"redraw": False}),
    ("smote", {"undersample": 0.5}),
)


def rows() -> Iterator[Row]:
    for name, options in samplers():
        times, size = order_times(name, options, 1_000_000)
        what = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
        yield Row(f"an epoch's order, {size:.2g} examples, 10 classes, ratio 100: {what}", times, "s", at_most=0.2)
    x = np.random.default_rng(0).normal(size=(5000, 512)).astype(np.float32)
    y = np.repeat([0, 1], [4000, 1000])
    times = [seconds(lambda: smote(x, y, 1.0, 5, np.random.RandomState(0)).of(x)) for _ in range(N)]
    yield Row("SMOTE among 5,000 × 512 embeddings, 3,000 new", times, "s", at_most=2)


def samplers() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, options) of all that draw."""
    names = yamls.names("imbalance_strategy")
    yield from ((name, {}) for name in names if draws(yamls.target("imbalance_strategy", name)))
    yield from OPTIONS


def draws(cls: type[ImbalanceStrategy]) -> bool:
    return cls.order is not ImbalanceStrategy.order


def order_times(name: str, options: dict[str, Any], n: int) -> tuple[list[float], int]:
    """Seconds of N orders, and of how many examples: n, or as few as make n draws."""
    labels = long_tail(n)
    strategy = ready(yamls.build("imbalance_strategy", name, **options), labels, CLASSES, BATCH)
    if (drawn := len(strategy.order(np.random.default_rng(0)))) > 2 * len(labels):
        strategy = ready(strategy, labels := labels[: len(labels) ** 2 // drawn], CLASSES, BATCH)
    return [seconds(lambda: strategy.order(np.random.default_rng(0))) for _ in range(N)], len(labels)


def long_tail(n: int) -> IntArray:
    share = 0.01 ** (np.arange(CLASSES) / (CLASSES - 1))
    return np.random.default_rng(0).choice(CLASSES, n, p=share / share.sum())
