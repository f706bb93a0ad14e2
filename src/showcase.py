"""What a chosen run shows that others of its sweep need not: its test split, figures, a model in MLflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from src import runs, tracking
from src.config import check
from src.evaluation import plots, predictions
from src.experiment import draw_saliency, predict, prepare, read, seen_by
from src.judging import judge
from src.strategies.base import Predictor
from src.training import load_weights


def showcase(folder: Path, mirror: tracking.Tracking) -> None:
    """Add to a finished run what it was made without: the test split's predictions and metrics, figures, the model in MLflow."""
    if (folder / "SHOWN").exists():
        return
    config: Any = OmegaConf.load(folder / "config.yaml")
    config.trainer.device = "auto"  # the training's may be on another machine
    experiment = check(config)
    experiment.trainer.apply()
    strategy, device = experiment.strategy, experiment.trainer.device
    prepared = prepare(experiment, read(experiment))
    task = replace(prepared.task, synthetic=runs.read_json(folder / "task.json").get("synthetic", 0))
    experiment.imbalance_strategy.setup(prepared.train.labels, task.num_classes)
    experiment.model.setup(task)
    strategy.setup(task, experiment.model, experiment.imbalance_strategy.criterion)
    load_weights(folder / experiment.trainer.weights, experiment.model, strategy, device)
    for module in (experiment.model, strategy):  # as in training, so that the bits agree
        module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    predictor = Predictor(experiment.model, strategy)
    said = predictions.load(folder / "predictions.npz")
    test = seen_by(strategy.predicts, prepared.splits.test)
    if "test" not in said:
        said["test"] = predict(predictor, test, device)
        judged = judge(experiment, task, prepared.splits).test_scores(said["test"])
        predictions.save(folder / "predictions.npz", **said)
        measured = runs.read_json(folder / "metrics.json") | judged
        runs.write_text(folder / "metrics.json", json.dumps(measured, indent=1) + "\n")
    plots.draw(folder)
    draw_saliency(folder, predictor, test, said["test"], experiment, task)
    tracking.add_results(folder, mirror)
    tracking.log_model(folder, predictor, seen_by(strategy.predicts, prepared.splits.val), mirror)
    (folder / "SHOWN").touch()
