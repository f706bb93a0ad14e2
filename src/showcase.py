"""What a chosen run shows that others of its sweep need not: its test split, figures, a model in MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import OmegaConf

from src import domains, runs, tracking
from src.config import Experiment, check
from src.evaluation import plots, predictions
from src.evaluation.heads import head_scores, save_confusions
from src.experiment import Prepared, examples, judged_test, look, prepare, read, seen_by
from src.judging import Judge
from src.strategies.base import Predictor
from src.task import Task
from src.training import load_weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trained:
    """A finished run, loaded again."""

    experiment: Experiment
    prepared: Prepared
    task: Task
    predictor: Predictor


def trained(folder: Path) -> Trained:
    """The data of a run as it saw them, and its predictor, on the best device there is."""
    config: Any = OmegaConf.load(folder / "config.yaml")
    config.trainer.device = "auto"  # the training's may be on another machine
    experiment = check(config)
    experiment.trainer.apply()
    strategy, device = experiment.strategy, experiment.trainer.device
    prepared = prepare(experiment, read(experiment))
    task = replace(prepared.task, synthetic=runs.read_json(folder / "task.json").get("synthetic", 0))
    experiment.model.restored = True
    experiment.model.setup(task)
    strategy.setup(task, experiment.model, experiment.imbalance_strategy.criterion)
    load_weights(folder / experiment.trainer.weights, experiment.model, strategy, device)
    for module in (experiment.model, strategy):  # as in training, so that the bits agree
        module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Trained(experiment, prepared, task, Predictor(experiment.model, strategy))


def showcase(folder: Path, mirror: tracking.Tracking) -> None:
    """Add to a finished run what it was made without: the test split's predictions and metrics, figures, the model in MLflow."""
    if (folder / "SHOWN").exists():
        return
    one = trained(folder)
    splits, predicts = one.prepared.splits, one.experiment.strategy.predicts
    said = predictions.load(folder / "predictions.npz")
    test = judged_test(one.experiment, splits)
    measured = runs.read_json(folder / "metrics.json")
    if not any(name.startswith("test/") for name in measured):
        said["test"], heads = look(one.predictor, test, one.experiment.trainer.device)
        save_confusions(folder, {"test": heads})
        predictions.save(folder / "predictions.npz", **said)  # first: what is not in metrics.json is done again
        measured |= Judge.of_record(runs.read_json(folder / "task.json")).test_scores(said["test"])
        measured |= head_scores({"test": heads})
        experiment = one.experiment
        measured |= domains.distances(
            one.predictor, {"test": splits.test}, experiment.trainer.device, experiment.settings.seed
        )
        runs.write_text(folder / "metrics.json", json.dumps(measured, indent=1) + "\n")
    plots.draw(folder)
    for name, figure in examples(one.experiment, one.task, one.predictor, test, said["test"]).items():
        plots.write(folder / "figures" / f"{name}.png", figure)
    tracking.add_results(folder, mirror)
    tracking.log_model(folder, one.predictor, seen_by(predicts, splits.val), mirror)
    (folder / "SHOWN").touch()


def saliency_of(folder: Path) -> Figure | None:
    """Where a finished run's model looked, in the pictures of its test split; None where there is nothing to show."""
    one = trained(folder)
    test = judged_test(one.experiment, one.prepared.splits)
    said = predictions.load(folder / "predictions.npz")["test"]
    return examples(one.experiment, one.task, one.predictor, test, said).get("saliency")
