"""What the alpha-decay study's runs found: the chosen pair's models beside the former method, on the same test crops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from src import report
from src.errors import UserError
from src.evaluation import predictions
from src.evaluation.improvement import Improvement, improvement
from src.evaluation.predictions import Predictions
from src.reproduce.sweeps import Configuration, configurations, splits_of
from src.task import BoolArray, FloatArray, Split, Splits

ALPHA = 1
GREY_LEVELS = 16
OBJECTIVE = "val/average_precision.alpha"


@dataclass(frozen=True)
class Findings:
    """The two searches, and the test split as the chosen models and the methods without a network see it."""

    grid: report.Findings
    search: report.Findings
    chosen: Configuration
    """The grid's best pair of N and M."""
    cuts: Configuration
    trees: Configuration
    """The better ones on validation."""
    splits: Splits

    @cached_property
    def models(self) -> dict[str, Predictions]:
        """Seed → what that model says of the test split."""
        return {seed: predictions.load(run / "predictions.npz")["test"] for seed, run in self.chosen.runs.items()}

    @cached_property
    def truth(self) -> BoolArray:
        return _first(self.models).clean == ALPHA

    @cached_property
    def scores(self) -> list[FloatArray]:
        return [_alpha(said) for said in self.models.values()]

    @cached_property
    def kept(self) -> BoolArray:
        """Which test crops the former method selects."""
        return self._tracks(self.cuts) > 0  # above a probability of one half

    @cached_property
    def trees_score(self) -> FloatArray:
        return self._tracks(self.trees)

    @cached_property
    def improvement(self) -> Improvement:
        return improvement(self.kept, self.scores, self.truth, np.random.default_rng(0))

    @cached_property
    def trees_improvement(self) -> Improvement:
        return improvement(self.kept, [self.trees_score], self.truth, np.random.default_rng(0))

    @cached_property
    def brightness_score(self) -> FloatArray:
        """What a logistic regression on each crop's histogram of grey levels says of the test split."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        train, test = self.splits.train, self.splits.test
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
        model.fit(_histograms(train), train.labels)
        score: FloatArray = model.decision_function(_histograms(test))
        return score

    def _tracks(self, one: Configuration) -> FloatArray:
        """Scores by a method on tracks. Raises UserError if they are not of the same crops."""
        said = predictions.load(next(iter(one.runs.values())) / "predictions.npz")["test"]
        if not np.array_equal(said.rows, _first(self.models).rows):
            raise UserError(
                f"{one.folder}: its test crops are not those of {self.chosen.folder}; run both on the same data"
            )
        return _alpha(said)


def find(grid: Path, search: Path, tracks: Path) -> Findings:
    """Read three finished studies. Raises UserError if a chosen model has not read the test split."""
    of_grid = report.read(grid)
    best = max(configurations(grid), key=lambda one: one.value)
    on_tracks = sorted(configurations(tracks), key=lambda one: -one.value)
    cuts = next(one for one in on_tracks if one.choices["strategy"] == "cuts")
    trees = next(one for one in on_tracks if one.choices["strategy"] != "cuts")
    return Findings(of_grid, report.read(search), best, cuts, trees, splits_of(next(iter(best.runs.values()))))


def _first(models: dict[str, Predictions]) -> Predictions:
    return next(iter(models.values()))


def _alpha(said: Predictions) -> FloatArray:
    """Log-odds of being an alpha decay, (n,)."""
    p = said.probabilities.astype(np.float64).clip(1e-12)
    odds: FloatArray = np.log(p[:, ALPHA]) - np.log(p[:, 1 - ALPHA])
    return odds


def _histograms(split: Split) -> FloatArray:
    """Share of each grey level, (n, 16)."""
    found = []
    for rows in torch.from_numpy(split.rows).split(512):
        level = (split.inputs.fetch(rows, torch.device("cpu")).mean(dim=1) * (GREY_LEVELS - 1e-3)).long().flatten(1)
        counts = torch.zeros(len(rows), GREY_LEVELS).scatter_add_(1, level, torch.ones_like(level, dtype=torch.float32))
        found.append(counts / level.shape[1])
    shares: FloatArray = torch.cat(found).numpy().astype(np.float64)
    return shares
