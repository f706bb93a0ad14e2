"""What the alpha-decay study's runs found: the chosen pair's models beside the former method, on the same test crops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src import report
from src.errors import UserError
from src.evaluation import predictions
from src.evaluation.improvement import Improvement, improvement
from src.evaluation.predictions import Predictions
from src.evaluation.working_point import WorkingPoint, at_recall
from src.reproduce.sweeps import Configuration, configurations, splits_of
from src.task import BoolArray, FloatArray, Split, Splits

ALPHA = 1
N, M = "augmentation.n", "augmentation.m"
GREY_LEVELS = 16
OBJECTIVE = "val/average_precision.alpha"


@dataclass(frozen=True)
class Former:
    """What measured tracks alone say of the test crops."""

    kept: BoolArray
    """Which ones the former method selects."""
    trees: FloatArray
    """Scores of boosted trees."""


@dataclass(frozen=True)
class Findings:
    """The two searches, and the test split as the chosen models and the methods without a network see it."""

    grid: report.Findings
    search: report.Findings
    chosen: Configuration
    """The grid's best pair of N and M."""
    models: dict[str, Predictions]
    """Seed → what that model says of the test split."""
    splits: Splits
    former: Former | None
    """None where no tracks were measured."""

    @cached_property
    def truth(self) -> BoolArray:
        return _first(self.models).clean == ALPHA

    @cached_property
    def scores(self) -> list[FloatArray]:
        return [_alpha(said) for said in self.models.values()]

    @cached_property
    def improvement(self) -> Improvement | None:
        """Over the former method."""
        return None if self.former is None else self._over(self.former, self.scores)

    @cached_property
    def trees_improvement(self) -> Improvement | None:
        return None if self.former is None else self._over(self.former, [self.former.trees])

    def _over(self, former: Former, scores: list[FloatArray]) -> Improvement:
        return improvement(former.kept, scores, self.truth, np.random.default_rng(0))

    @cached_property
    def recall(self) -> float:
        """The former method's, or the one that the data's users have agreed on."""
        return self.improvement.selection.recall if self.improvement else self.splits.working_recall or 0.5

    @cached_property
    def points(self) -> list[WorkingPoint]:
        """Each model at that recall."""
        return [at_recall(score, self.truth, np.ones(len(score)), self.recall) for score in self.scores]

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


def find(grid: Path, search: Path, tracks: Path | None) -> Findings:
    """Read finished studies. Raises UserError if a chosen model has not read the test split, or the tracks are of other crops."""
    best = max(configurations(grid), key=lambda one: one.value)
    models = {seed: _test(run) for seed, run in best.runs.items()}
    former = None if tracks is None else _former(tracks, _first(models))
    splits = splits_of(next(iter(best.runs.values())))
    return Findings(report.read(grid), report.read(search), best, models, splits, former)


def _former(tracks: Path, models: Predictions) -> Former:
    said = {one.choices["strategy"]: _test(next(iter(one.runs.values()))) for one in configurations(tracks)}
    if not all(np.array_equal(each.rows, models.rows) for each in said.values()):
        raise UserError(f"{tracks}: its test crops are not those of the networks; run both on the same data")
    return Former(_alpha(said["cuts"]) > 0, _alpha(said["ensemble"]))


def _test(run: Path) -> Predictions:
    said = predictions.load(run / "predictions.npz")
    if "test" not in said:
        raise UserError(f"{run}: its test split has not been read; the sweep's command goes on with it")
    return said["test"]


def pairs(found: report.Findings) -> list[dict[str, Any]]:
    """A study's configurations that have a value, best first, each with its N and M among its `params`, varied or not."""
    from omegaconf import OmegaConf

    root = Path(found.overview.manifest["runs_root"])
    done = []
    for row in found.rows:
        if row["values"]:
            fixed = OmegaConf.load(root / next(iter(row["seeds"].values()))["run"] / "config.yaml")
            params = {key: row["params"].get(key, OmegaConf.select(fixed, key)) for key in (N, M)}
            done.append({**row, "params": params})
    return done


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
