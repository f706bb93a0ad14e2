"""Each method at its own best learning rate: chosen on noisy validation, then repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from src.errors import UserError
from src.evaluation.metrics import higher_is_better
from src.reproduce.sweeps import Configuration

BY_ACCURACY = "gce", "bootstrap", "coteaching"
"""Methods whose outputs lie between P(true | x) and P(observed | x), with no T from one to the other: to them likelihood says nothing."""


def criterion(strategy: str) -> str:
    """The metric of noisy validation that a method's rate is chosen by.

    Accuracy is the worse one: under T_0.6 a perfect classifier has 0.40 of it, chance 0.33.
    """
    return "val/accuracy" if strategy in BY_ACCURACY else "val/observed_loss"


@dataclass(frozen=True)
class Tuned:
    """A method's best learning rate under one noise model, by its criterion's mean over the seeds."""

    noise: str
    strategy: str
    rate: float
    tried: tuple[float, ...]
    value: float
    clean: tuple[float, ...]
    """Accuracy on the clean test set at every rate tried: what the choice, which does not see it, cost."""

    @property
    def at_the_edge(self) -> bool:
        return len(self.tried) > 1 and self.rate in (self.tried[0], self.tried[-1])


def tuned(found: Iterable[Configuration]) -> list[Tuned]:
    """The best rate of every method under every noise model; of equally good ones the smallest. Raises UserError for a rate without one."""
    measured: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for one in found:
        noise, strategy = one.choices["noise_model"], one.choices["strategy"]
        value = float(np.mean(list(one.metric(criterion(strategy)).values()) or np.nan))
        if not np.isfinite(value):
            raise UserError(
                f"{one.folder}: its runs have no {criterion(strategy)}, by which the rate of {strategy} is chosen"
            )
        seen = float(np.mean(list(one.metric("test/accuracy").values())))
        measured.setdefault((noise, strategy), []).append((float(one.choices["optimizer.lr"]), value, seen))
    best = []
    for (noise, strategy), tries in sorted(measured.items()):
        rates, values, clean = zip(*sorted(tries), strict=True)
        sign = 1 if higher_is_better(criterion(strategy)) else -1
        at = int(np.argmax(sign * np.array(values)))  # the first of equals
        best.append(Tuned(noise, strategy, rates[at], rates, values[at], clean))
    return best


def space(chosen: Sequence[Tuned]) -> dict[str, list[list[object]]]:
    """A sweep's space of every method at its own rate, and nothing else."""
    return {"noise_model, strategy, optimizer.lr": [[one.noise, one.strategy, one.rate] for one in chosen]}
