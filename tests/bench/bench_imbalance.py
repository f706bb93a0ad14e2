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

N = 7
OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("oversample", {"batches": "exact"}),
    ("oversample", {"batches": "duplicates"}),
    ("undersample", {"redraw": False}),
    ("smote", {"undersample": 0.5}),
)


def rows() -> Iterator[Row]:
    own = [name for name in yamls.names("imbalance_strategy") if draws(yamls.target("imbalance_strategy", name))]
    for name, options in (*((name, {}) for name in own), *OPTIONS):
        times, size = order_times(name, options)
        what = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
        yield Row(f"an epoch's order, {size:.2g} examples, 10 classes, ratio 100: {what}", times, "s", at_most=0.2)
    x = np.random.default_rng(0).normal(size=(5000, 512)).astype(np.float32)
    y = np.repeat([0, 1], [4000, 1000])
    times = [seconds(lambda: smote(x, y, 1.0, 5, np.random.RandomState(0)).of(x)) for _ in range(N)]
    yield Row("SMOTE among 5,000 × 512 embeddings, 3,000 new", times, "s", at_most=2)


def draws(cls: type[ImbalanceStrategy]) -> bool:
    return cls.order is not ImbalanceStrategy.order


def order_times(name: str, options: dict[str, Any]) -> tuple[list[float], int]:
    """Seconds of N orders, and of how many examples: a million, or as few as make a million draws."""
    strategy, labels = yamls.build("imbalance_strategy", name, **options), long_tail(1_000_000)
    strategy.setup(labels, 10)
    if (drawn := len(strategy.order(np.random.default_rng(0)))) > 2 * len(labels):
        strategy.setup(labels := labels[: len(labels) ** 2 // drawn], 10)
    return [seconds(lambda: strategy.order(np.random.default_rng(0))) for _ in range(N)], len(labels)


def long_tail(n: int) -> IntArray:
    share = 0.01 ** (np.arange(10) / 9)
    return np.random.default_rng(0).choice(10, n, p=share / share.sum())
