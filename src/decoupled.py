"""Decoupled training (Kang 2020): the last layer trained anew, on what the finished network makes of the data."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src import checkpoint
from src.augmentations.none import NoAugmentation
from src.datasets.inputs import ArrayInputs
from src.models.base import Model
from src.seeding import numpy_stream, seed_torch
from src.strategies.base import Predictor
from src.task import Split, Task
from src.training import Trainer

log = logging.getLogger("src")

BATCH = 512


class HeadOnly(Model):
    """A model's last layer, whose inputs are the penultimate activations."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.head, self.l2 = model.head, model.l2

    def setup(self, task: Task) -> None:
        """The layer is there already."""

    def features(self, x: Any) -> Tensor:
        activations: Tensor = x
        return activations

    def classify(self, z: Tensor) -> Tensor:
        logits: Tensor = self.head(z)
        return logits


def retrain_head(task: Task, predictor: Predictor, trainer: Trainer) -> int:
    """Train the last layer from scratch, with the run's strategy and options, on embeddings that the imbalance strategy extends.

    All other weights stay as they are, and nothing is augmented. The checkpoint that the run is evaluated with is written
    anew. Returns how many synthetic embeddings there were. Raises UserError if none can be made.
    """
    model, strategy, folder = predictor.model, predictor.strategy, trainer.folder / "head"
    train, val = embedded(model, trainer.train, trainer.device), embedded(model, trainer.val, trainer.device)
    train = trainer.balance.extend(train, numpy_stream(trainer.seed, "synthetic"))
    trainer.balance.setup(train.labels, task.num_classes)
    seed_torch(trainer.seed, "head")
    for layer in model.head.modules():
        getattr(layer, "reset_parameters", lambda: None)()
    synthetic = len(train) - len(trainer.train)
    log.info("now the last layer alone, on %d embeddings and %d synthetic ones", len(trainer.train), synthetic)
    folder.mkdir(exist_ok=True)
    stage = Trainer(
        trainer.options, train=train, target=None, val=val, class_names=trainer.class_names, balance=trainer.balance,
        augmentation=NoAugmentation(), make_optimizer=trainer.make_optimizer, make_schedule=trainer.make_schedule,
        seed=trainer.seed, folder=folder, on_epoch=lambda epoch, found: None, resume=trainer.resume,
    )  # fmt: skip
    stage.minimise(HeadOnly(model), strategy)
    path = trainer.folder / trainer.options.weights
    state = checkpoint.load(path, trainer.device)
    checkpoint.save(path, {**state, "model": model.state_dict(), "strategy": strategy.state_dict()})
    shutil.rmtree(folder, ignore_errors=True)
    return synthetic


@torch.inference_mode()
def embedded(model: Model, split: Split, device: torch.device) -> Split:
    """The split with penultimate activations for inputs, (n, width) float32."""
    model.eval()
    pieces = torch.from_numpy(split.rows).split(BATCH)
    parts = [model.penultimate(model.features(split.inputs.fetch(piece, device))).float().cpu() for piece in pieces]
    return replace(split, inputs=ArrayInputs(torch.cat(parts).numpy()), rows=np.arange(len(split)))
