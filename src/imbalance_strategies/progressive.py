"""From the classes' own shares to equal ones, as the training goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from src.component import PositiveInt
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.members import Members
from src.task import FloatArray, IntArray


class Progressive(ImbalanceStrategy):
    """Draws with replacement, a class with probability (1 - t) n_c / N + t / C (Kang 2020, equation 2).

    t is the progress of the training at the start of the epoch, 0 in the first. The effective prior is that of the
    epoch drawn last, whichever is selected.
    """

    balances = changes = True

    def __init__(self, *, num_samples: PositiveInt | None = None) -> None:
        self.num_samples = num_samples

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.members = Members(labels)
        self.at(0.0)
        self.mix = self._mix()

    def at(self, progress: float) -> None:
        self.progress = progress

    def order(self, rng: np.random.Generator) -> IntArray:
        self.mix = self._mix()
        return self.members.by_share(self.mix, self.num_samples or len(self.labels), rng)

    def _mix(self) -> FloatArray:
        t = self.progress
        return (1 - t) * self.members.counts / len(self.labels) + t / len(self.members)

    def state_dict(self) -> dict[str, Any]:
        return {"mix": self.mix.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mix = np.array(state["mix"])

    def drawn_prior(self) -> FloatArray:
        return self.members.mix(self.mix, self.num_classes)
