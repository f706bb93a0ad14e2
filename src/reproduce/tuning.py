"""Each method at its own best learning rate: chosen on noisy validation, then repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from src.reproduce.sweeps import Configuration


@dataclass(frozen=True)
class Tuned:
    """A method's best learning rate under one noise model, by the objective of the sweep over rates."""

    noise: str
    strategy: str
    rate: float
    tried: tuple[float, ...]
    value: float

    @property
    def at_the_edge(self) -> bool:
        return len(self.tried) > 1 and self.rate in (self.tried[0], self.tried[-1])


def tuned(found: Iterable[Configuration]) -> list[Tuned]:
    """The best rate (largest objective) of every method under every noise model."""
    keys = "noise_model", "strategy"
    tries = [(*(one.choices[key] for key in keys), float(one.choices["optimizer.lr"]), one.value) for one in found]
    method = itemgetter(0, 1)
    best = []
    for (kind, strategy), group in groupby(sorted(tries), key=method):
        rates, values = zip(*((rate, value) for _, _, rate, value in group), strict=True)
        value, rate = max(zip(values, rates, strict=True), key=lambda one: (one[0], -one[1]))  # of equals the smaller
        best.append(Tuned(kind, strategy, rate, rates, value))
    return best


def space(chosen: Sequence[Tuned]) -> dict[str, list[list[object]]]:
    """A sweep's space of every method at its own rate, and nothing else."""
    return {"noise_model, strategy, optimizer.lr": [[one.noise, one.strategy, one.rate] for one in chosen]}
