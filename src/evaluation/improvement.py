"""How many times purer a score's candidates are than those of a fixed selection, at the recall of that selection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.evaluation.statistics import summary
from src.evaluation.working_point import Score, WorkingPoint, at_recall, at_recalls, interval, resampled
from src.task import BoolArray, FloatArray


@dataclass(frozen=True)
class Improvement:
    """A selection, models trained alike at its recall, and the ratio of their mean precision to the selection's."""

    selection: WorkingPoint
    models: tuple[WorkingPoint, ...]
    low: float
    high: float
    """95 % bootstrap interval of the factor."""

    @property
    def factor(self) -> float:
        purity = self.selection.precision
        return float(np.mean([one.precision for one in self.models])) / purity if purity else math.nan

    @property
    def error(self) -> float:
        """As the alpha-decay study has it: the selection's √N and the models' spread, relative errors added in quadrature."""
        precisions = summary([one.precision for one in self.models])
        spread = 0.0 if math.isnan(precisions["sd"]) else precisions["sd"] / precisions["mean"]
        return self.factor * math.hypot(self.selection.relative_error, spread)

    @property
    def load(self) -> float:
        """Candidates to be looked at, relative to the selection's."""
        candidates = self.selection.candidates
        return float(np.mean([one.candidates for one in self.models])) / candidates if candidates else math.nan


def improvement(kept: BoolArray, scores: Sequence[Score], positive: BoolArray, rng: np.random.Generator) -> Improvement:
    """Of models' scores (n,) over the events `kept` (n,). The interval resamples events, the same for all, and models."""
    ones = np.ones(len(kept))
    found = float((kept & positive).sum())
    selection = WorkingPoint(math.nan, found, float(kept.sum()), float(positive.sum()))
    models = tuple(at_recall(score, positive, ones, selection.recall) for score in scores)
    factors = np.concatenate([_factors(block, kept, scores, positive, rng) for block in resampled(len(kept), rng)])
    return Improvement(selection, models, *interval(factors))


def _factors(
    weights: FloatArray, kept: BoolArray, scores: Sequence[Score], positive: BoolArray, rng: np.random.Generator
) -> FloatArray:
    """One for each row of weights (k, n), of as many models as there are, drawn with replacement; NaN where the selection is empty."""
    hits, candidates, total = (weights @ which for which in (kept & positive, kept, positive))
    purities = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for score in scores:
            _, found, selected = at_recalls(score, positive, weights, hits / total)
            purities.append(found / selected)
        drawn = rng.integers(len(scores), size=(len(scores), len(weights)))
        mean = np.take_along_axis(np.array(purities), drawn, axis=0).mean(axis=0)
        factors: FloatArray = np.where(hits > 0, mean / (hits / candidates), np.nan)
    return factors
