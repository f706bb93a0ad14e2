"""What correcting for wrong labels costs, and what repeating a small training costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.nn import functional as F

from src.datasets.inputs import ArrayInputs
from src.models.lenet import LeNet
from src.optimizers.lbfgs import LBFGS
from src.seeding import seed_torch
from src.strategies.backward import Backward
from src.strategies.corrected import posterior_of_observed
from src.strategies.erm import ERM
from src.strategies.forward import Forward
from src.task import Split, Task
from tests.bench.bench_training import epoch_of
from tests.bench.table import Row, paired_ratios, seconds

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
        "rMLR by L-BFGS on 16,200 × 784, three classes, to convergence",
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
    """Made-up pictures with a linear rule and labels wrong by T_0.5."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.random((16_200, 784), dtype=np.float32))
    clean = (x @ torch.from_numpy(rng.standard_normal((784, 3)).astype(np.float32))).argmax(dim=1)
    T = torch.tensor([[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]])
    y = torch.multinomial(T.T[clean], 1).squeeze(1)
    torch.manual_seed(seed)
    model = torch.nn.Linear(784, 3)
    optimizer = LBFGS(model.parameters(), max_iter=1000)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.nll_loss(posterior_of_observed(model(x).log_softmax(dim=1), T), y)
        loss.backward()
        return loss

    took = seconds(lambda: optimizer.step(closure))
    assert optimizer.converged or optimizer.stalled
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
