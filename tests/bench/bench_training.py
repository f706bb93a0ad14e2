"""The training step against a bare PyTorch loop, and domain-adversarial training against plain training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from torch.nn import functional as F

from src.augmentations.none import NoAugmentation
from src.datasets.inputs import ArrayInputs
from src.imbalance_strategies.none import NoBalance
from src.loading import Loader
from src.models.base import Model
from src.models.mobilenet import MobileNet
from src.seeding import seed_torch
from src.strategies.base import Strategy
from src.strategies.dann import DANN
from src.strategies.erm import ERM
from src.task import Split, Task
from src.training import Trainer, TrainerOptions
from tests.bench.table import Row, paired_ratios

BATCH, STEPS, N = 128, 6, 7
TASK = Task(("nc", "nue", "numu"), ("genie", "gibuu"), "image", (2, 100, 80), views=2)


def rows() -> Iterator[Row]:
    split = events(BATCH * STEPS)
    ratios = paired_ratios(bare(split), epoch_of(ERM(), split, None), N)
    yield Row("ERM training: speed relative to a bare PyTorch loop", ratios, "×", at_least=0.95)
    ratios = paired_ratios(epoch_of(DANN(), split, split), epoch_of(ERM(), split, None), N)
    yield Row("DANN training: cost per event relative to ERM", [r / 2 for r in ratios], "×", at_most=1.15)


def events(n: int) -> Split:
    rng = np.random.default_rng(0)
    maps = (rng.random((n, 2, 100, 80)) < 0.02) * rng.integers(1, 255, (n, 2, 100, 80))
    y = rng.integers(0, 3, n)
    inputs = ArrayInputs(maps.astype(np.uint8), scale="unit")
    return Split(inputs, np.arange(n), y, y, np.arange(n) % 2, np.ones(n), np.ones(n, dtype=bool))


def network() -> MobileNet:
    seed_torch(0, "model")
    model = MobileNet()
    model.setup(TASK)
    return model


def epoch_of(
    strategy: Strategy,
    train: Split,
    target: Split | None,
    make: Callable[[], Model] = network,
    task: Task = TASK,
    *,
    clean: Split | None = None,
    batch_size: int = BATCH,
    threads: int | None = None,
) -> Callable[[], object]:
    """One epoch of the project's loop, without validation and checkpoints."""
    options = TrainerOptions(
        epochs=1000, max_steps=None, clip_norm=None, batch_size=batch_size, monitor="val/loss", stop="patience", patience=None,
        ewma={"weight": 0.9, "ratio": 1.15, "best_by": "smoothed", "debias": False}, select="last", average=None, finetune_steps=0, finetune_lr=None, watch=[], device="cpu",
        precision="fp32", compile=False, deterministic=False, tf32=False, num_threads=threads or torch.get_num_threads(),
        resume=False, progress="none",
    )  # fmt: skip
    options.apply()
    balance = NoBalance()
    balance.setup(train.labels, task.num_classes)
    model = make()
    strategy.setup(task, model, balance.criterion)
    trainer = Trainer(
        options, train=train, target=target, val=train, class_names=task.class_names, balance=balance,
        augmentation=NoAugmentation(), make_optimizer=lambda p: torch.optim.Adam(p), make_schedule=lambda o, n: None,
        seed=0, folder=Path(mkdtemp()), on_epoch=lambda epoch, metrics: None,
    )  # fmt: skip
    trainer.clean_source = Loader(clean, options.device) if clean is not None else None
    optimizer = torch.optim.Adam([*model.parameters(), *strategy.parameters()])

    def epoch() -> None:
        torch.set_num_threads(options.num_threads)
        trainer.progress.epoch += 1
        trainer._epoch(model, strategy, optimizer, None)

    return epoch


def bare(split: Split) -> Callable[[], object]:
    """What one would write by hand: floats in memory, no shuffling, no bookkeeping."""
    x = split.inputs.fetch(torch.from_numpy(split.rows), torch.device("cpu"))
    y = torch.from_numpy(split.labels)
    model = network().train()
    optimizer = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for xb, yb in zip(x.split(BATCH), y.split(BATCH), strict=True):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(xb), yb).backward()
            optimizer.step()

    return epoch
