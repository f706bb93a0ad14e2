"""What it costs to ask a network more than its predictions: activations, its nodes, the gap between two domains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from src.evaluation.domain_gap import gap_interval
from src.evaluation.nodes import nodes
from src.inference import activations, probabilities
from src.strategies.base import Predictor, negative_log_likelihood
from src.strategies.erm import ERM
from tests.bench.bench_training import TASK, events, network
from tests.bench.table import Row, paired_ratios, seconds

EVENTS, PICTURES, N = 20_000, 2000, 3
RESAMPLED = 2000  # events a domain


def rows() -> Iterator[Row]:
    yield Row(
        f"interpretability: activations and node analysis over {EVENTS:,} events in one batched pass, relative to a plain prediction",
        node_analysis(EVENTS, N), "×", at_most=1.3,
    )  # fmt: skip
    yield Row(
        f"domain gap: 1,000 bootstrap resamples of 2 × {RESAMPLED:,} events",
        [gap() for _ in range(N)],
        "s",
        at_most=1.5,
    )


def node_analysis(count: int, n: int) -> list[float]:
    """Two-view MobileNet with 1,024 nodes; every picture comes several times, so that they fit into memory."""
    split, model, strategy, cpu = events(PICTURES), network(), ERM(), torch.device("cpu")
    strategy.setup(TASK, model, negative_log_likelihood)
    predictor = Predictor(model, strategy)
    split = split.select(np.arange(count) % PICTURES)

    def analysed() -> None:
        found = activations(model, split.inputs, split.rows, cpu)
        nodes(found.penultimate, split.clean, split.domain, split.weight, TASK.num_classes, TASK.num_domains)

    return paired_ratios(analysed, lambda: probabilities(predictor, split.inputs, split.rows, cpu), n)


def gap() -> float:
    rng, n = np.random.default_rng(0), 2 * RESAMPLED
    p, labels, domain = rng.dirichlet(np.ones(3), n), rng.integers(3, size=n), np.arange(n) % 2
    return seconds(lambda: gap_interval(p, labels, np.ones(n), domain, TASK.class_names, rng))
