"""The same data many times: each run learns from another random part of one corrupted training set."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from src.component import NonNegativeInt, OpenFraction
from src.errors import UserError
from src.protocols.base import Protocol
from src.seeding import numpy_stream
from src.task import Splits


class Repeats(Protocol):
    """A random `share` of the training examples for each seed; split and wrong labels stay those of `split_seed`.

    validation=own keeps the data set's validation part; rest adds it to the training examples and validates on those
    that a run leaves out, so that the label-noise study's 90 % are 90 % of all 18,000.
    """

    def __init__(
        self,
        *,
        share: OpenFraction = 0.9,
        validation: Literal["own", "rest"] = "own",
        split_seed: NonNegativeInt = 0,
    ) -> None:
        self.share, self.validation, self.split_seed = share, validation, split_seed

    def data_seed(self, seed: int) -> int:
        return self.split_seed

    def apply(self, splits: Splits, seed: int) -> Splits:
        pool = splits.train
        if self.validation == "rest":
            if splits.val.inputs is not pool.inputs:
                raise UserError("protocol.validation=rest: this dataset keeps its validation part elsewhere; use own")
            pool = pool.joined(splits.val)
        n = len(pool)
        kept = round(self.share * n)
        if kept < 2 or kept == n:
            raise UserError(f"protocol.share={self.share:g}: of {n} training examples {kept} would be kept")
        order = numpy_stream(seed, "protocol").permutation(n)
        train = pool.select(np.sort(order[:kept]))
        return replace(
            splits, train=train, val=pool.select(np.sort(order[kept:])) if self.validation == "rest" else splits.val
        )
