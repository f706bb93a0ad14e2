"""What the tau-neutrino study's runs found: the ablation, new tau events against repeats, and shorter training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src import runs
from src.average import averaged
from src.evaluation import predictions
from src.evaluation.metrics import confusion_matrix, metrics
from src.evaluation.predictions import Predictions
from src.experiment import examples, judged_test
from src.reproduce.nugraph_arms import FACTORS, ORIGINAL, SOURCES, WEIGHTED, Arm, place, source, training
from src.reproduce.sweeps import Configuration, configurations, splits_of
from src.showcase import Trained, trained
from src.task import FloatArray, IntArray, Splits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TREES = {"boosted trees": None, "boosted trees, weighted": "balanced"}
"""Name → weights of the classes."""
DRAWS = 10
"""Epochs of which the drawn classes are counted."""


@dataclass(frozen=True)
class Findings:
    """The three sweeps' finished configurations."""

    arms: dict[Arm, Configuration]
    """The 2×2×2 first, the original before all."""
    tau: dict[str, Configuration]
    """PLAIN, REPEATED, NEWLY_DRAWN."""
    lengths: dict[tuple[str, int], Configuration]
    """(original | modified, steps), the shorter training first."""

    @cached_property
    def original(self) -> Trained:
        """The original, its first seed, loaded again with its data."""
        return trained(first(self.arms[ORIGINAL].runs))

    @property
    def splits(self) -> Splits:
        return self.original.prepared.splits

    @property
    def classes(self) -> tuple[str, ...]:
        return self.splits.class_names

    @cached_property
    def best(self) -> Arm:
        """The arm that validation likes best."""
        return max(self.arms, key=lambda arm: self.arms[arm].value)

    def title(self, key: tuple[str, int]) -> str:
        """How a training of `lengths` is called; its steps in the study's 80 epochs."""
        version, steps = key
        longest = max(steps for _, steps in self.lengths)
        return f"{version}, {steps / longest * 80:.0f} of 80 epochs"

    @property
    def crossed(self) -> list[Arm]:
        """The arms of the 2×2×2."""
        return [arm for arm in self.arms if arm.loss in (ORIGINAL.loss, WEIGHTED.loss)]

    def effect(self, factor: str, metric: str) -> list[float]:
        """What a modification adds to a metric, one number a seed: the mean over all settings of the other two."""
        pairs = [(arm, FACTORS[factor](arm)) for arm in self.crossed]
        pairs = [(arm, other) for arm, other in pairs if other != arm and other in self.arms]
        each = [differences(self.arms[other], self.arms[arm], metric) for arm, other in pairs]
        seeds = [seed for seed in each[0] if all(seed in one for one in each)] if each else []
        return [float(np.mean([one[seed] for one in each])) for seed in seeds]

    @cached_property
    def drawn(self) -> dict[str, IntArray]:
        """Events of each class: those to learn from, and those that an epoch of each sampler shows (mean of DRAWS)."""
        repeated = next((one for arm, one in self.arms.items() if arm.repeated), None)
        labels, classes = self.original.prepared.train.labels, len(self.classes)
        counts = {"training events": np.bincount(labels, minlength=classes)}
        counts["an epoch"] = _drawn(self.original, classes)
        if repeated is not None:
            counts["an epoch with repeats"] = _drawn(trained(first(repeated.runs)), classes)
        return counts

    @cached_property
    def trees(self) -> dict[str, list[dict[str, float]]]:
        """Metrics of boosted trees on each plane's number of hits and charge, one for each split of the ablation."""
        data = [splits_of(run) for run in self.arms[ORIGINAL].runs.values()]
        return {name: [_trees(splits, weight) for splits in data] for name, weight in TREES.items()}

    def semantic(self, arm: Arm) -> tuple[FloatArray, list[str]]:
        """(hits of true class i called j at [i, j], of all seeds' test events; the classes' names)."""
        read = [runs.read_json(run / "heads.json")["test"]["semantic"] for run in self.arms[arm].runs.values()]
        return np.sum([one["counts"] for one in read], axis=0, dtype=np.float64), read[0]["names"]


def find(ablation: Path, length: Path, new_tau: Path | None) -> Findings:
    """Read finished studies; new_tau may be missing. Raises UserError for one without a finished configuration."""
    arms = {Arm.of(one.choices): one for one in configurations(ablation)}
    lengths = {training(one.choices): one for one in configurations(length)}
    tau = {} if new_tau is None else {source(one.choices): one for one in configurations(new_tau)}
    return Findings(
        {arm: arms[arm] for arm in sorted(arms, key=place)},
        {name: tau[name] for name in SOURCES if name in tau},
        dict(sorted(lengths.items(), key=lambda item: (item[0][1], item[0][0] != "original"))),
    )  # fmt: skip


def first(found: Mapping[str, Any]) -> Any:
    return next(iter(found.values()))


def differences(one: Configuration, other: Configuration, metric: str) -> dict[str, float]:
    """Seed → how much larger the metric is, on the seeds that both have."""
    mine, theirs = one.metric(metric), other.metric(metric)
    return {seed: mine[seed] - theirs[seed] for seed in mine if seed in theirs}


def confusion(said: Iterable[Predictions]) -> FloatArray:
    """Test events of true class i called j at [i, j]: the mean over models."""
    each = [confusion_matrix(one.probabilities, one.clean, np.ones(len(one))) for one in said]
    return np.asarray(np.mean(each, axis=0))


def tests(one: Configuration) -> list[Predictions]:
    """What each seed's model says of its test events."""
    return [predictions.load(run / "predictions.npz")["test"] for run in one.runs.values()]


def silent(one: Configuration, label: int) -> int:
    """How many seeds' models call no test event so: their precision is of nothing, and counts as 0."""
    return sum(not confusion([said])[:, label].any() for said in tests(one))


def average(one: Configuration, classes: Sequence[str]) -> dict[str, float]:
    """Test metrics of the average of a training's seeds. Raises UserError if they do not share their test events."""
    found = averaged({run: predictions.load(run / "predictions.npz") for run in one.runs.values()})["test"]
    return metrics(found.probabilities, found.clean, np.ones(len(found)), classes)


def displays(run: Path) -> Figure | None:
    """Test events of a run, one of each class, true classes of the hits above predicted ones."""
    one = trained(run)
    said = predictions.load(run / "predictions.npz")["test"]
    test = judged_test(one.experiment, one.prepared.splits)
    return examples(one.experiment, one.task, one.predictor, test, said).get("hits")


def _drawn(one: Trained, classes: int) -> IntArray:
    sampler, train = one.experiment.imbalance_strategy, one.prepared.train
    sampler.setup(train.labels, classes)
    sampler.meet(train, one.experiment.trainer.batch_size)
    rng = np.random.default_rng(0)
    rows = np.concatenate([sampler.order(rng) for _ in range(DRAWS)])
    return np.round(np.bincount(train.labels[rows], minlength=classes) / DRAWS).astype(np.int64)


def _trees(splits: Splits, class_weight: str | None) -> dict[str, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    train, test = splits.train, splits.test
    inputs: Any = train.inputs
    model = HistGradientBoostingClassifier(
        max_iter=100, early_stopping=False, class_weight=class_weight, random_state=0
    )
    model.fit(inputs.hits_and_charge(train.rows)[0], train.labels)
    p = model.predict_proba(inputs.hits_and_charge(test.rows)[0])
    return metrics(p, test.clean, np.ones(len(test)), splits.class_names)
