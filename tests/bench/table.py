"""A measured figure beside its limit, with its spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Row:
    """The median of n values and their range, and whether the limit is kept."""

    name: str
    values: Sequence[float]
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def kept(self) -> bool:
        low_enough = self.at_most is None or self.median <= self.at_most
        return low_enough and (self.at_least is None or self.median >= self.at_least)

    @property
    def limit(self) -> str:
        if self.at_least is None and self.at_most is None:
            return "reported"
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"

    def __str__(self) -> str:
        spread = f"{min(self.values):.3g} to {max(self.values):.3g}"
        verdict = "kept" if self.kept else "MISSED"
        return f"| {self.name} | {self.median:.3g} {self.unit} | {self.limit}{f' {self.unit}' if self.limit != 'reported' else ''} | {verdict} | {len(self.values)} | {spread} |"


HEADER = "| what | median | limit | | n | range |\n|---|---|---|---|---|---|"


def seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def paired_ratios(top: Callable[[], object], bottom: Callable[[], object], n: int) -> list[float]:
    """Time of `top` over time of `bottom`, n times in turn after one warm-up of each."""
    top(), bottom()
    return [seconds(top) / seconds(bottom) for _ in range(n)]
