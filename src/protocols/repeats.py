"""The same data many times: each run learns from another random part of one corrupted training set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from src.component import Fraction, NonNegativeInt
from src.errors import UserError
from src.protocols.base import Protocol
from src.seeding import numpy_stream
from src.task import Splits


class Repeats(Protocol):
    """A random `share` of the training examples for each seed; split and wrong labels stay those of `split_seed`."""

    def __init__(self, *, share: Fraction = 0.9, split_seed: NonNegativeInt = 0) -> None:
        if not share:
            raise ValueError("share=0: nothing would be left to learn from")
        self.share, self.split_seed = share, split_seed

    def data_seed(self, seed: int) -> int:
        return self.split_seed

    def apply(self, splits: Splits, seed: int) -> Splits:
        n = len(splits.train)
        kept = round(self.share * n)
        if kept < 2:
            raise UserError(f"protocol.share={self.share:g}: of {n} training examples {kept} would be left")
        part = numpy_stream(seed, "protocol").permutation(n)[:kept]
        return replace(splits, train=splits.train.select(np.sort(part)))
