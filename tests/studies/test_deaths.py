"""Status is true after each kind of death, in the study and in MLflow; and what died is done again."""

import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src import tracking
from src.runs import read_json, run_folders
from src.studies import driver, overview, worker
from src.studies.isolation import run_isolated, start_server
from tests.conftest import ROOT
from tests.studies.conftest import HydraHere
from tests.studies.dying import WAYS, die

DIGITS = ["dataset=digits", "model=mlr", "optimizer=adam", "schedule=onecycle", "trainer.epochs=4"]


class Dying(HydraHere):
    def launch(self, payload, overrides, workers):
        start_server()
        worker.Worker(payload, self.compose, functools.partial(run_isolated, target=die)).work()


def mlflow_runs(root):
    """Name → status of all that MLflow knows; nothing is there twice."""
    client, experiment = tracking._open(f"sqlite:///{root / 'mlflow.db'}", "kilter", root)
    found = client.search_runs([experiment], max_results=1000)
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run.info.status for run in found}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_dies_is_told_truly_and_does_not_end_the_study(way, tmp_path, options):
    runs_root = tmp_path / "runs"
    arguments = [
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        f"++name={way}",
        f"++runs_root={runs_root}",
        "++code=any",
        "seed=0,1",
    ]
    given = options(study="s", studies_root=str(tmp_path), space={"optimizer.lr": "0.1,0.2"}, winners=0, retries=1)
    assert driver.sweep(given, arguments, Dying()) == 1, "nothing finished"
    found = overview.Overview(tmp_path / "s")
    assert [result["status"] for _, result in found.results] == ["failed", "failed"]
    reasons = {"exception": "ArithmeticError: something broke", "exit": "exit status 3", "abrupt": "exit status 7",
               "memory": "MemoryError", "segfault": "SIGSEGV", "kill": "SIGKILL", "term": "Terminated"}  # fmt: skip
    attempts = (tmp_path / "s/trials/00000/attempts.jsonl").read_text().splitlines()
    assert len(attempts) == 2, "one retry"
    assert all(reasons[way] in line for line in attempts)
    assert reasons[way] in found.results[0][1]["reason"]
    statuses = {read_json(folder / "DONE")["status"] for folder in run_folders(runs_root)}
    assert statuses == {"failed" if way in {"exception", "exit", "memory"} else "killed"}
    in_mlflow = mlflow_runs(runs_root)
    one = next(folder.name for folder in run_folders(runs_root))
    assert in_mlflow[one] == ("FAILED" if way in {"exception", "exit", "memory"} else "KILLED")
    assert in_mlflow["optimizer.lr=0.1"] == "FAILED"
    assert in_mlflow["s"] == "FINISHED"
    assert "RUNNING" not in in_mlflow.values()


def test_a_run_that_dies_once_is_done_again(tmp_path, options):
    class Healing(Dying):
        def launch(self, payload, overrides, workers):
            start_server()

            def run(config, on_epoch, told):
                ending = run_isolated(config, on_epoch, told, target=die)
                (tmp_path / "healed").mkdir(exist_ok=True)
                return ending

            worker.Worker(payload, self.compose, run).work()

    arguments = [
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        "++name=kill",
        f"++runs_root={tmp_path / 'runs'}",
        "++code=any",
    ]
    given = options(study="s", studies_root=str(tmp_path), space={"optimizer.lr": "0.1,0.2"}, winners=0)
    assert driver.sweep(given, arguments, Healing()) == 0
    found = overview.Overview(tmp_path / "s")
    assert [result["status"] for _, result in found.results] == ["finished", "finished"]
    assert set(mlflow_runs(tmp_path / "runs").values()) == {"FINISHED"}


# --- the real command ---


def command(root, *more):
    places = [f"runs_root={root / 'runs'}", f"hydra.sweeper.studies_root={root / 'studies'}", "hydra.sweeper.study=s"]
    return [sys.executable, "-m", "src.run", "-m", *DIGITS, "hydra.sweeper.winners=0", *places, *more]


def started(root, *more):
    log = (root / "log").open("a")
    return subprocess.Popen(command(root, *more), cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def wait_for(condition, process, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "ended too early"
        assert time.monotonic() < end
        time.sleep(0.05)


def training(root):
    return lambda: any((root / "runs").glob("*/history.jsonl"))


def values(root):
    """(configuration, seed) → (value, predictions' bytes): what a study found."""
    found = {}
    for trial, result in overview.Overview(root / "studies" / "s").results:
        for seed, one in result["seeds"].items():
            predictions = (root / "runs" / one["run"] / "predictions.npz").read_bytes()
            found[trial["label"], seed] = one["values"], hash(predictions)
    return found


def children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [child for one in found for child in (int(one), *children(int(one)))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "launcher"),
    [
        (signal.SIGINT, "basic"),
        (signal.SIGTERM, "basic"),
        (signal.SIGKILL, "basic"),
        (signal.SIGINT, "joblib"),
        (signal.SIGTERM, "joblib"),
        (signal.SIGKILL, "joblib"),
    ],
)
def test_status_is_true_after_the_driver_ends(number, launcher, tmp_path):
    slow = ["optimizer.lr=0.01,0.1", "trainer.epochs=3000", f"hydra/launcher={launcher}", "hydra.sweeper.workers=2"]
    process = started(tmp_path, *slow)
    wait_for(training(tmp_path), process)
    time.sleep(0.5)
    below = children(process.pid)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        os.kill(process.pid, number)
    process.wait(60)
    end = time.monotonic() + 30
    while any(
        Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" for pid in below
    ):
        assert time.monotonic() < end, "left processes behind"
        time.sleep(0.2)
    status = subprocess.run(
        [sys.executable, "-m", "src.status", "s", f"studies_root={tmp_path / 'studies'}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "s: interrupted" in status
    assert "interrupted  #0" in status
    statuses = {json.loads(path.read_text())["status"] for path in (tmp_path / "runs").glob("*/DONE")}
    assert statuses == {"killed"}
    assert set(mlflow_runs(tmp_path / "runs").values()) == {"KILLED"}


DRAWN = {
    "grid": [],
    "random": ["hydra.sweeper.sampler.name=random", "hydra.sweeper.budget.trials=8"],
    "tpe": ["hydra.sweeper.sampler.name=tpe", "hydra.sweeper.budget.trials=8"],
}


def labels(root):
    return [trial["label"] for trial, _ in overview.Overview(root / "studies" / "s").results]


@pytest.mark.slow
def test_killed_at_random_instants_it_ends_as_if_nothing_had_happened(tmp_path):
    """56 kills with SIGKILL: of the driver (basic), and of any process there is (joblib); three samplers."""
    space = [
        "optimizer.lr=0.001,0.01,0.03,0.1",
        "optimizer.weight_decay=0,0.01",
        "seed=0,1,2",
        "tracking.enabled=false",
    ]
    calm = tmp_path / "calm"
    calm.mkdir()
    assert started(calm, *space).wait(300) == 0
    expected = values(calm)
    assert len(expected) == 24
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    assert started(drawn, *space, *DRAWN["random"]).wait(300) == 0
    order = {"grid": labels(calm), "random": labels(drawn)}
    draws, kills, attempt = random.Random(20261121), 0, 0
    while kills < 56:
        attempt += 1
        root, launcher, sampler = (
            tmp_path / f"storm-{attempt}",
            ("basic", "joblib")[attempt % 2],
            list(DRAWN)[attempt % 3],
        )
        root.mkdir()
        command = [*space, *DRAWN[sampler], f"hydra/launcher={launcher}"]
        for _ in range(14):
            process = started(root, *command)
            try:
                process.wait(draws.uniform(2.0, 8.0))
            except subprocess.TimeoutExpired:
                victims = [process.pid, *(children(process.pid) if launcher == "joblib" else [])]
                os.kill(draws.choice(victims), signal.SIGKILL)
                kills += 1
                process.wait(120)
            if process.returncode == 0:
                break
        assert started(root, *command).wait(300) == 0
        found = values(root)
        assert found == {key: expected[key] for key in found}, "every (configuration, seed) as if nothing had happened"
        assert len(labels(root)) == 8
        assert labels(root) == order.get(sampler, labels(root)), "and the whole set where numbers decide it"
        assert len(run_folders(root / "runs")) == len(found), "each (configuration, seed) once"
        shutil.rmtree(root)


@pytest.mark.slow
def test_eight_identical_commands_run_everything_once(tmp_path):
    space = ["optimizer.lr=0.01,0.03,0.1,0.3", "seed=0,1,2"]
    processes = [started(tmp_path, *space) for _ in range(8)]
    assert [process.wait(500) for process in processes] == [0] * 8
    assert len(values(tmp_path)) == 12
    assert len(run_folders(tmp_path / "runs")) == 12
    records = [read_json(folder / "record.json") for folder in run_folders(tmp_path / "runs")]
    assert not any("resumed" in record for record in records)
    names = list(mlflow_runs(tmp_path / "runs"))
    assert len(names) == 1 + 4 + 12
    assert "RUNNING" not in mlflow_runs(tmp_path / "runs").values()


@pytest.mark.slow
def test_two_sweeps_of_the_same_second_do_not_mix(tmp_path):
    places = [f"runs_root={tmp_path / 'runs'}", f"hydra.sweeper.studies_root={tmp_path / 'studies'}"]
    base = [sys.executable, "-m", "src.run", "-m", *DIGITS, "hydra.sweeper.winners=0", *places]
    both = [
        subprocess.Popen([*base, f"hydra.sweeper.study=s{k}", f"optimizer.lr=0.{k}1,0.{k}2"], cwd=ROOT) for k in (1, 2)
    ]
    assert [process.wait(300) for process in both] == [0, 0]
    for k in (1, 2):
        found = overview.Overview(tmp_path / "studies" / f"s{k}")
        assert {trial["params"]["optimizer.lr"] for trial, _ in found.results} == {float(f"0.{k}1"), float(f"0.{k}2")}
        assert found.count("finished") == 2
    assert sorted(mlflow_runs(tmp_path / "runs").values()) == ["FINISHED"] * 10
