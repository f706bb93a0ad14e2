"""Training a strategy that is not a loss: a trainer on plain arrays, and blobs to train on."""

import numpy as np
import torch
import yaml

from src.augmentations.none import NoAugmentation
from src.datasets.inputs import ArrayInputs
from src.imbalance_strategies.none import NoBalance
from src.models.mlr import MLR
from src.seeding import seed_torch
from src.task import Split, Task, class_counts
from src.training import Trainer, TrainerOptions
from tests.conftest import ROOT


def split_of(x, y, clean=None):
    n = len(y)
    zeros, ones = np.zeros(n, dtype=np.int64), np.ones(n)
    clean = y if clean is None else clean
    return Split(ArrayInputs(np.asarray(x, np.float32)), np.arange(n), y, clean, zeros, ones, ones.astype(bool))


def blobs(n=120, classes=3, seed=0, spread=1.0):
    """Separable: class c sits at +6 on axis c of four."""
    rng = np.random.default_rng(seed)
    y = np.arange(n, dtype=np.int64) % classes
    return (spread * rng.normal(size=(n, 4)) + 6 * np.eye(4)[y]).astype(np.float32), y


def trainer_on(folder, train, *, val=None, classes=3, balance=None, seed=0, on_epoch=None, **options):
    content = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text())["trainer"]
    content |= {"num_threads": 1, "device": "cpu", "progress": "none", **options}
    balance = balance or NoBalance()
    balance.setup(train.labels, classes)
    return Trainer(
        TrainerOptions(**content), train=train, target=None, val=val or train,
        class_names=tuple("abcdefghij"[:classes]), balance=balance, augmentation=NoAugmentation(),
        make_optimizer=None, make_schedule=None, seed=seed, folder=folder, on_epoch=on_epoch or (lambda *_: None),
    )  # fmt: skip


def ready(strategy, trainer):
    """The strategy and a model, set up for the trainer's task."""
    split, classes = trainer.train, len(trainer.class_names)
    counts = tuple(class_counts(split.labels, classes).tolist())
    task = Task(trainer.class_names, ("all",), split.inputs.kind, split.inputs.shape, class_counts=counts)
    seed_torch(0, "model")
    model = MLR()
    model.setup(task)
    strategy.setup(task, model, trainer.balance.criterion)
    return task, model


def fitted(strategy, trainer):
    task, model = ready(strategy, trainer)
    return strategy.fit(task, model, trainer)


def scores(predictor, x):
    predictor.eval()
    return predictor.scores(torch.as_tensor(x))
