"""What correcting for wrong labels costs, and what repeating a small training costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from src.datasets.inputs import ArrayInputs
from src.models.lenet import LeNet
from src.noise_models.sampling import corrupt
from src.optimizers.lbfgs import LBFGS
from src.seeding import seed_torch
from src.strategies.backward import Backward
from src.strategies.erm import ERM
from src.strategies.forward import Forward
from src.strategies.rmlr import RMLR
from src.task import Split, Task
from src.transition_matrix import TransitionMatrix
from tests.bench.bench_training import epoch_of
from tests.bench.table import Row, paired_ratios, seconds
from tests.strategies.fitting import fitted, trainer_on

ROOT = Path(__file__).parents[2]
TASK = Task(("t-shirt", "trouser", "dress"), ("all",), "image", (1, 28, 28), class_counts=(512, 512, 512))
STEPS, BATCH, N = 12, 128, 9


def rows() -> Iterator[Row]:
    split = pictures(STEPS * BATCH)
    for strategy in (Forward(), Backward()):
        name = type(strategy).__name__.lower()
        ratios = paired_ratios(
            epoch_of(strategy, split, None, lenet, TASK), epoch_of(ERM(), split, None, lenet, TASK), N
        )
        yield Row(f"{name} correction on lenet: cost of a step relative to ERM", ratios, "×", at_most=1.1)
    yield Row(
        "a training of rMLR by L-BFGS on 16,200 × 784, three classes, to convergence",
        [rmlr(seed) for seed in range(3)],
        "s",
        at_most=10,
    )
    for model, more in (("mlr", []), ("lenet", ["trainer.epochs=3"])):
        ratios = [repeats(model, more) for _ in range(3)]
        yield Row(f"ten repeats of {model} on digits relative to ten times one run", ratios, "×", at_most=1)


def lenet() -> LeNet:
    seed_torch(0, "model")
    model = LeNet()
    model.setup(TASK)
    return model


def pictures(n: int) -> Split:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    inputs = ArrayInputs(rng.integers(0, 256, (n, 1, 28, 28), dtype=np.uint8), scale="unit")
    return Split(inputs, np.arange(n), y, y, 0 * y, np.ones(n), np.ones(n, dtype=bool))


def rmlr(seed: int) -> float:
    """Made-up garments, each a shape of its class, brighter or darker, with labels wrong by T_0.5; trained and validated as a run is."""
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 3, 16_200)
    shapes = rng.integers(0, 200, (3, 1, 28, 28)) * (rng.random((3, 1, 28, 28)) < 0.5)
    x = (
        shapes[clean] * rng.uniform(0.3, 1, (len(clean), 1, 1, 1)) + rng.integers(0, 50, (len(clean), 1, 28, 28))
    ).astype(np.uint8)
    T = TransitionMatrix([[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]])
    part = Split(ArrayInputs(x, scale="unit"), np.arange(len(x)), corrupt(clean, T, "iid", rng), clean, 0 * clean,
                 np.ones(len(x)), np.ones(len(x), dtype=bool))  # fmt: skip
    options = yaml.safe_load((ROOT / "conf" / "optimizer" / "lbfgs.yaml").read_text())["optimizer"]
    del options["_target_"]
    with TemporaryDirectory() as folder:
        trainer = trainer_on(Path(folder), part, val=part.select(np.arange(1800)), epochs=20, select="last", seed=seed)
        trainer.make_optimizer = lambda groups: LBFGS(groups, **options)
        trainer.make_schedule = lambda optimizer, total_steps: None
        took = seconds(lambda: fitted(RMLR(transition=T.columns.tolist()), trainer))
        assert trainer.progress.converged or trainer.progress.stalled
    return took


def repeats(model: str, more: list[str]) -> float:
    """A command of ten repeats over ten times the command of one of them."""
    base = [sys.executable, "-m", "src.run", "dataset=digits", f"model={model}", "noise_model=uniform", "figures=false",
            "trainer.num_threads=1", *more]  # fmt: skip
    with TemporaryDirectory() as folder:
        places = [f"runs_root={folder}/runs", f"hydra.sweeper.studies_root={folder}/studies", "hydra.sweeper.winners=0"]

        def run(*arguments: str) -> float:
            return seconds(lambda: subprocess.run([*base, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL))

        return run("protocol=repeats", *places) / (10 * run(f"runs_root={folder}/one"))
