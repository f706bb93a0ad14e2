"""What a protocol is: which examples one run learns from and is judged on, when a figure rests on several runs."""

from __future__ import annotations

from collections.abc import Sequence

from src.component import Component
from src.task import Splits


class Protocol(Component):
    """Sees the splits after their labels were corrupted.

    A command under a protocol of several runs is a study whose seeds count them: all methods meet the same parts, so
    comparisons are paired.
    """

    clean: bool = False
    """Whether its runs learn from the clean test split, which no noise model reaches."""

    def data_seed(self, seed: int) -> int:
        """The seed of the data set's split and of its wrong labels, for a run's own seed."""
        raise NotImplementedError

    def gap(self, seeds: Sequence[int]) -> str | None:
        """A sentence on what a study of these seeds leaves out, if anything."""
        return None

    def apply(self, splits: Splits, seed: int) -> Splits:
        """The splits of one run. Raises UserError for splits that cannot be so divided."""
        raise NotImplementedError
