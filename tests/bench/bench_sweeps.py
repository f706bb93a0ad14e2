"""What a study costs beyond its trainings, what workers and pruning gain, and how large questions are planned."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from tests.bench.table import Row, seconds

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
N = 3


def rows() -> Iterator[Row]:
    yield from overhead()
    yield from workers()
    yield Row("planning and checking a grid of 10,000 configurations: the whole command", planning(), "s", at_most=20)
    for sampler, limit in (("grid", 5), ("random", 5), ("tpe", 12)):
        name = f"study of 5,000 finished trials, {sampler}: from the command to its first new trial"
        yield Row(name, resuming(sampler), "s", at_most=limit)
    if DATA.is_dir():
        yield from pruning()


def sweep(folder: Path, *arguments: str) -> float:
    """Wall time of a command, in seconds."""
    command = [sys.executable, "-m", "src.run", "-m", *arguments, "hydra.sweeper.study=s", "hydra.sweeper.winners=0"]
    places = [f"runs_root={folder / 'runs'}", f"hydra.sweeper.studies_root={folder / 'studies'}"]
    work = lambda: subprocess.run([*command, *places], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: E731
    return seconds(work)


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "studies/s/trials").glob("*/result.json"))]


# --- overhead ---

SMALL = [
    "dataset=digits",
    "model=mlr",
    "optimizer=adam",
    "schedule=onecycle",
    "trainer.epochs=5",
    "trainer.num_threads=1",
]


def overhead() -> Iterator[Row]:
    """Time from one configuration's end to the next, a seed, less the same training in a warm process."""
    extra = []
    for _ in range(N):
        with TemporaryDirectory() as folder:
            sweep(Path(folder), *SMALL, "optimizer.lr=range(0.01,0.11,0.01)", "seed=0,1,2")
            ended = sorted(datetime.fromisoformat(one["ended"]).timestamp() for one in results(Path(folder)))
            spacing = (ended[-1] - ended[0]) / (len(ended) - 1) / 3
            extra.append(spacing - training(Path(folder)))
    yield Row("a seed-run in a study, with MLflow: time beyond its training", extra, "s", at_most=0.3)
    with TemporaryDirectory() as folder:
        fresh = []
        for seed in range(N):
            command = [
                sys.executable,
                "-m",
                "src.run",
                *SMALL,
                f"seed={seed}",
                f"runs_root={folder}/runs",
                "figures=false",
            ]
            fresh.append(seconds(lambda: subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)))  # noqa: B023
        yield Row(
            "the same run in a fresh process: time beyond its training",
            [t - training(Path(folder)) for t in fresh[1:]],
            "s",
        )


def training(folder: Path) -> float:
    """Median time of the run alone, in a process that has imported everything."""
    script = (
        "import sys, time, hydra; from src import config, experiment\n"
        "def once(seed):\n"
        "    with hydra.initialize_config_dir(sys.argv[1], version_base='1.3'):\n"
        "        cfg = hydra.compose('config', sys.argv[2:] + [f'seed={seed}'])\n"
        "    started = time.perf_counter(); experiment.run(config.check(cfg)); return time.perf_counter() - started\n"
        "print([once(seed) for seed in range(100, 106)][1:])"
    )
    options = [*SMALL, f"runs_root={folder}/warm", "figures=false", "tracking.enabled=false"]
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "conf"), *options],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return median(json.loads(done.stdout.splitlines()[-1]))


# --- workers ---

GRID = [
    "dataset=digits",
    "model=lenet",
    "trainer.epochs=60",
    "optimizer.lr=0.001,0.002,0.003,0.005,0.01,0.02,0.03,0.05",
    "seed=0,1,2",
]


def workers() -> Iterator[Row]:
    """One grid three ways; whole commands, with their start."""
    times: dict[str, list[float]] = {"one": [], "two": [], "threads": []}
    for _ in range(N):
        for name, more in (
            ("one", ["trainer.num_threads=1"]),
            ("two", ["trainer.num_threads=1", "hydra/launcher=joblib", "hydra.sweeper.workers=2"]),
            ("threads", ["trainer.num_threads=2"]),
        ):
            with TemporaryDirectory() as folder:
                times[name].append(sweep(Path(folder), *GRID, *more))
    gain = [one / two for one, two in zip(times["one"], times["two"], strict=True)]
    yield Row("two workers of one thread relative to one such worker: speed", gain, "×", at_least=1.7)
    gain = [threads / two for threads, two in zip(times["threads"], times["two"], strict=True)]
    yield Row("two workers of one thread relative to one of two threads: speed", gain, "×")


# --- large questions ---


def planning() -> list[float]:
    space = [
        "dataset=digits", "model=mlr,lenet", "schedule=onecycle", "optimizer=adam,adamw", "noise_model=none", "imbalance_strategy=none,class_weights",
        "optimizer.lr=range(0.01,0.51,0.01)", "trainer.batch_size=range(16,41,1)",
    ]  # fmt: skip
    times = []
    for _ in range(N):
        with TemporaryDirectory() as folder:
            times.append(sweep(Path(folder), *space, "hydra.sweeper.plan=true"))
    return times


FIRST_ASK = """
import json, sys, time
from pathlib import Path
started = float(sys.argv[3])
from src.plugins.hydra_plugins.kilter import optuna_sweeper  # as Hydra's start does
from tests.studies.conftest import HydraHere
from src.studies.question import understand
from src.studies import plan
from src.studies.study import open_study
options = json.loads(sys.argv[1]); folder = Path(sys.argv[2])
composer = HydraHere()
question = understand(options, ["dataset=digits", "model=mlr", "optimizer=adam", "schedule=onecycle", f"++runs_root={folder / 'runs'}", "++code=any"], composer)
plan.validate(plan.Configurations(question.space, question.fixed, composer.compose, lambda key: bool(composer.options(key))))
study = open_study(folder, "s", question.identity(), question.facts(), question.space, "sqlite",
                   seeds=question.seeds, first=question.first, trials=options["budget"]["trials"], adopt=False)
if len(sys.argv) > 4:
    for number in range(int(sys.argv[4])):
        described = study._fixed(number) or study_at(number)
        folder_of = study.trial_folder(number); folder_of.mkdir(parents=True)
        value = 1 / (1 + number % 97)
        summary = {"mean": value, "sd": 0.1, "n": 3, "low": 0.0, "high": 1.0}
        seeds = {str(s): {"status": "finished", "run": f"digits-mlr-erm-{number:012x}", "values": {"val/balanced_accuracy": value},
                          "epochs": 5, "seconds": 1.0, "reason": ""} for s in range(3)}
        result = {"status": "finished", "reason": "", "seeds": seeds, "values": {"val/balanced_accuracy": value},
                  "summary": {"val/balanced_accuracy": summary}, "excess": [], "feasible": True, "ended": "2026-01-01T00:00:00+00:00"}
        (folder_of / "trial.json").write_text(json.dumps(described)); (folder_of / "result.json").write_text(json.dumps(result))
    study.repair()
else:
    study.claim()
    print(time.time() - started)
"""


def resuming(sampler: str) -> list[float]:
    """A study of 5,000 made-up results, opened by a new process each time; from its start to the new trial's claim."""
    from omegaconf import OmegaConf

    options: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf/hydra/sweeper/optuna.yaml"))
    options = {key: value for key, value in options.items() if key not in {"_target_", "engine"}}
    grid = {"optimizer.lr": "range(0.001,0.301,0.001)", "optimizer.weight_decay": "range(0,0.02,0.001)"}
    free = {"optimizer.lr": "log(1e-4,1e-1)", "optimizer.weight_decay": "interval(0,0.02)"}
    options |= {"space": grid if sampler == "grid" else free, "sampler": {"name": sampler}, "budget": {"trials": 5100}}
    script = FIRST_ASK.replace("study_at(number)", "made(number)").replace(
        "study = open_study",
        "from src.studies.samplers import Numbered\nfrom src.studies.options import Sampler\nfrom src.studies.study import describe\n"
        "made = lambda n: describe(question.space, n, Numbered(Sampler(name='random'), question.space).point(n))\n"
        "study = open_study",
    )
    with TemporaryDirectory() as folder:
        import time

        def run(*more: str) -> str:
            command = [sys.executable, "-c", script, json.dumps(options), folder, str(time.time()), *more]
            return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

        run("5000")
        return [float(run()) for _ in range(N)]


# --- pruning ---

RATES = "2e-4,1e-1,5e-5,2e-3,1,1e-4,2e-2,5e-1,1e-3,5e-2,1e-5,2e-1,5e-4,1e-2,2e-5,5e-3"
"""1-2-5 over five decades, shuffled: asha gives up nobody while each new trial is the best so far."""


def pruning() -> Iterator[Row]:
    """Fashion-MNIST, 16 learning rates of SGD, 9 epochs: how many of the grid's epochs asha needs for its best score.

    Factor 4 is ASHA's own (Li 2020); this setting was chosen on seeds 3 to 5, replayed in 60 orders.
    """
    base = [
        "dataset=fashion_mnist", "model=lenet", f"data_root={DATA}", "dataset.train_size=4000", "trainer.epochs=9", "schedule=none", "optimizer=sgd",
        "optimizer.lr=" + RATES, "hydra/launcher=joblib",
    ]  # fmt: skip
    shares, lost = [], []
    for seed in range(N):
        with TemporaryDirectory() as a, TemporaryDirectory() as b:
            sweep(Path(a), *base, f"seed={seed}")
            sweep(Path(b), *base, f"seed={seed}", "hydra.sweeper.pruner.name=asha", "hydra.sweeper.pruner.factor=4")
            best = [max(one["values"].get("val/balanced_accuracy", 0) for one in results(Path(x))) for x in (a, b)]
            epochs = [sum(s["epochs"] for one in results(Path(x)) for s in one["seeds"].values()) for x in (a, b)]
            shares.append(epochs[1] / epochs[0])
            lost.append(best[0] - best[1])
    yield Row("Fashion-MNIST learning rates: epochs of asha relative to the grid", shares, "×", at_most=0.4)
    yield Row("the same: best score of the grid less that of asha", lost, "", at_most=0.0)


if __name__ == "__main__":
    started = perf_counter()
    for row in rows():
        print(row, f"{perf_counter() - started:.0f} s")
