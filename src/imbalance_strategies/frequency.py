"""Rare classes are repeated a stated number of times an epoch."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from src.component import Fraction, OpenFraction
from src.errors import UserError
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.members import Members
from src.task import FloatArray, IntArray


class Frequency(ImbalanceStrategy):
    """Every example of class c is drawn r_c = max(1, (threshold / f_c)^power) times an epoch, f_c being the class's share.

    Power 1/2 is the repeat factor of Mahajan 2018 and LVIS (Gupta 2019, appendix B.2); power 1 lifts every class to the
    threshold. `factors` state r_c instead, as the NuGraph study does (1, 1, 1 and about 7). Of a class's last, incomplete
    repeat, a random part is drawn anew each epoch, so that all epochs are equally long.
    """

    balances = True

    def __init__(
        self,
        *,
        threshold: OpenFraction | None = None,
        power: Fraction = 0.5,
        factors: list[Annotated[float, Ge(1)]] | None = None,
    ) -> None:
        if factors is not None and threshold is not None:
            raise ValueError("give threshold or factors, not both")
        self.threshold, self.power, self.given = threshold, power, factors

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        if self.given is not None and len(self.given) != num_classes:
            n = len(self.given)
            raise UserError(f"imbalance_strategy.factors={self.given}: {n} factors for {num_classes} classes")
        self.members = Members(labels)
        share = self.members.counts / len(labels)
        if self.given is None:
            factors = ((self.threshold or 1 / num_classes) / share) ** self.power
        else:
            factors = np.asarray(self.given)[self.members.classes]
        self.sizes = np.rint(np.maximum(factors, 1) * self.members.counts).astype(np.int64)

    def order(self, rng: np.random.Generator) -> IntArray:
        return self.members.in_sizes(self.sizes, rng)

    def drawn_prior(self) -> FloatArray:
        return self.members.mix(self.sizes, self.num_classes)
