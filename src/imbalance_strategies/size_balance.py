"""Every batch has its share of the largest examples."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from src.component import Fraction
from src.errors import UserError
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.frequency import Frequency
from src.task import FloatArray, IntArray, Split


class SizeBalance(ImbalanceStrategy):
    """Deals the largest examples to the batches in turn, then the others: NuGraph's BalanceSampler, which bounds memory.

    An epoch has floor(N / batch size) full batches; the few examples left over are others each time, and not of the
    largest `fraction`. `factors` repeat classes as imbalance_strategy=frequency does, before the examples are dealt; N
    counts the repeats. Without them labels play no part. Raises UserError in `meet` for examples that are all of one size.
    """

    by_size = True

    def __init__(self, *, fraction: Fraction = 0.1, factors: list[Annotated[float, Ge(1)]] | None = None) -> None:
        self.fraction = fraction
        self.repeats = None if factors is None else Frequency(factors=factors)
        self.balances = factors is not None

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        if self.repeats is not None:
            self.repeats.setup(labels, num_classes)

    def meet(self, train: Split, batch_size: int) -> None:
        sizes: IntArray | None = getattr(train.inputs, "sizes", None)
        if sizes is None:
            kind = train.inputs.kind
            raise UserError(
                f"imbalance_strategy=size_balance balances graphs' sizes, and all {kind}s of this dataset are of one size; "
                "use another imbalance_strategy"
            )
        self.sizes, self.batch_size = sizes[train.rows], batch_size

    def order(self, rng: np.random.Generator) -> IntArray:
        drawn = np.arange(len(self.sizes)) if self.repeats is None else self.repeats.order(rng)
        return drawn[dealt(self.sizes[drawn], self.batch_size, self.fraction, rng)]

    def drawn_prior(self) -> FloatArray:
        return super().drawn_prior() if self.repeats is None else self.repeats.drawn_prior()


def dealt(sizes: IntArray, batch_size: int, fraction: float, rng: np.random.Generator) -> IntArray:
    """Positions in `sizes`, batch after full batch; a single batch of all if they do not fill one."""
    batches, depth = max(1, len(sizes) // batch_size), min(batch_size, len(sizes))
    smaller, largest = np.split(np.argsort(sizes, kind="stable"), [len(sizes) - int(len(sizes) * fraction)])
    in_turn = np.concatenate([rng.permutation(largest), rng.permutation(smaller)])[: batches * depth]
    return np.asarray(rng.permuted(in_turn.reshape(depth, batches).T, axis=1).ravel())
