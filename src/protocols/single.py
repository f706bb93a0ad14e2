"""One run: everything follows its seed."""

from __future__ import annotations

from src.protocols.base import Protocol
from src.task import Splits


class Single(Protocol):
    """The data set's own split, drawn anew for every seed; so are wrong labels."""

    def __init__(self) -> None:
        pass

    def data_seed(self, seed: int) -> int:
        return seed

    def apply(self, splits: Splits, seed: int) -> Splits:
        return splits
