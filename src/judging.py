"""The numbers of a trained model: on which labels, at which class mix, at which working point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from src.config import Experiment
from src.errors import UserError
from src.evaluation.groups import evaluate
from src.evaluation.predictions import Predictions
from src.task import FloatArray, Splits, Task


@dataclass(frozen=True)
class Judge:
    """What is asked of every split's predictions."""

    class_names: tuple[str, ...]
    """Of what is predicted: classes, or domains."""
    domain_names: tuple[str, ...]
    natural: tuple[float, ...] | None = None
    """The deployment's class mix."""
    mixes: tuple[FloatArray, FloatArray] | None = None
    """(class mix that the scores are of, deployment's), where both are known: see `class_mixes`."""
    recall: float | None = None
    """Share of a class that is to be found."""

    @classmethod
    def of_record(cls, task: Mapping[str, Any]) -> Judge:
        """As it was at the end of a training, from the run's task.json."""
        seen, deployed = task["training_prior"], task["deployed_prior"]
        mixes = None if seen is None else (np.asarray(seen), np.asarray(deployed))
        names = tuple(task[f"{task['predicts']}_names"])
        natural = None if task["natural_prior"] is None else tuple(task["natural_prior"])
        return cls(names, tuple(task["domain_names"]), natural, mixes, task["recall"])

    def scores(self, name: str, split: Predictions, truth: Literal["labels", "clean"]) -> dict[str, float]:
        """All metrics of the split, by their logged names."""
        return evaluate(name, split, self.class_names, self.domain_names, self.natural, recall=self.recall, truth=truth)

    def all_scores(self, found: Mapping[str, Predictions]) -> dict[str, float]:
        """val/..., val_clean/... if labels are wrong, test/... if it was read; each also mapped from the first mix to the second."""
        val = found["val"]
        scores = self.scores("val", val, "labels")
        if (val.labels != val.clean).any():
            scores |= self.scores("val_clean", val, "clean")
        if mixes := self._mapped:
            scores |= self.scores("val_natural", val.deployed(*mixes, val.labels), "labels")
        return scores | (self.test_scores(found["test"]) if "test" in found else {})

    def test_scores(self, test: Predictions) -> dict[str, float]:
        """test/... and test_natural/..., by true labels."""
        scores = self.scores("test", test, "clean")
        if mixes := self._mapped:
            scores |= self.scores("test_natural", test.deployed(*mixes, test.clean), "clean")
        return scores

    @property
    def _mapped(self) -> tuple[FloatArray, FloatArray] | None:
        """The two class mixes, where scores can be mapped from one to the other and the two differ."""
        if self.mixes is None or not self.mixes[0].min() > 0 or np.allclose(*self.mixes):
            return None
        return self.mixes


def judge(experiment: Experiment, task: Task, natural: tuple[float, ...] | None, recall: float | None) -> Judge:
    """For a training that has ended: what it has seen is known then."""
    if experiment.strategy.predicts == "domain":
        return Judge(task.domain_names, task.domain_names)
    return Judge(task.class_names, task.domain_names, natural, class_mixes(experiment, task, natural), recall)


def class_mixes(
    experiment: Experiment, task: Task, natural: tuple[float, ...] | None
) -> tuple[FloatArray, FloatArray] | None:
    """(that the scores are of, that of deployment), each (C,) summing to 1; None where they are not of classes, or not known.

    Deployment's is the user's or the data set's, else the one behind the observed training labels.
    """
    strategy = experiment.strategy
    if strategy.predicts != "class" or experiment.trainer.finetune_steps:
        return None
    if experiment.imbalance_strategy.batchwise:  # its weights follow the model's mistakes, or who else is in the batch
        return None
    if getattr(experiment.dataset, "weighting", None) == "loss":  # the loss saw weights, and only counts are known
        return None
    if strategy.uses_target and getattr(experiment.dataset, "target_labels", False):  # it saw the target's labels, too
        return None
    seen = strategy.class_mix(experiment.imbalance_strategy.effective_prior())
    stated = np.asarray(natural or task.class_counts, dtype=np.float64)
    deployed = stated if natural else strategy.true_mix(stated)
    return None if seen is None or deployed is None else (seen / seen.sum(), deployed / deployed.sum())


def natural_prior(experiment: Experiment, splits: Splits) -> tuple[float, ...] | None:
    """The deployment's class mix: the user's, else the data set's own, else none. Raises UserError for a wrong one."""
    given = experiment.settings.natural_prior
    if given is None:
        return splits.natural_prior
    if len(given) != len(splits.class_names):
        names = ", ".join(splits.class_names)
        raise UserError(
            f"natural_prior has {len(given)} entries, but there are {len(splits.class_names)} classes: {names}"
        )
    return tuple(share / sum(given) for share in given)
