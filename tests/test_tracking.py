"""The mirror in MLflow: complete, nothing twice, the true status after each way to die, and never in the way."""

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from src import provenance, runs, tracking
from src.datasets.inputs import ArrayInputs
from src.errors import UserError
from src.task import Split
from src.tracking import Tracking
from tests.conftest import ROOT

ON = Tracking(enabled=True, uri=None, experiment="kilter")
CONFIG = {"seed": 0, "dataset": {"_target_": "src.datasets.digits.Digits", "classes": None}, "model": {"width": 8},
          "tracking": {"enabled": True}, "long": "x" * 7000} | {f"option{i}": i for i in range(130)}  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A migrated database to copy, since making one takes seconds."""
    root = tmp_path_factory.mktemp("template")
    tracking.prepare(Tracking(enabled=True, uri=None, experiment="other"), root)
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path, database):
    shutil.copy(database, tmp_path / "mlflow.db")
    tracking.prepare(ON, tmp_path)
    tracking._next_try.clear()
    return tmp_path


def opened(root, *, resume=False, seed=0):
    config = CONFIG | {"seed": seed}
    key = provenance.run_key(config, "data", "code")
    return runs.open_run(
        root, "a", key, config, provenance.describe(key, "a", seed, "data", "code"), resume=resume, force=False
    )


def mirrored(folder):
    """The MLflow run of a folder, and the client to ask more."""
    client, _ = tracking._open(ON.store(folder.parent), "kilter", folder.parent)
    return client.get_run(runs.read_json(folder / "mlflow.json")["run_id"]), client


def curve(folder, name):
    run, client = mirrored(folder)
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]


def number_of_runs(root):
    client, experiment = tracking._open(ON.store(root), "kilter", root)
    return len(client.search_runs([experiment]))


# --- a run from beginning to end ---


def test_metrics_and_files_that_a_run_is_given_after_its_end_are_added(root):
    with opened(root) as run:
        run.record_epoch(1, {"val/accuracy": 0.1})
        run.write_json("metrics.json", {"score": 0.1, "val/accuracy": 0.1})
    tracking.sync(run.folder, ON)
    (run.folder / "metrics.json").write_text(json.dumps({"score": 0.1, "val/accuracy": 0.1, "test/accuracy": 0.3}))
    (run.folder / "figures").mkdir()
    (run.folder / "figures" / "roc.png").write_bytes(b"png")
    tracking.add_results(run.folder, ON)
    found, client = mirrored(run.folder)
    assert found.info.status == "FINISHED"
    assert found.data.metrics["test/accuracy"] == 0.3
    assert curve(run.folder, "score") == [(1, 0.1)]
    assert [file.path for file in client.list_artifacts(found.info.run_id, "figures")] == ["figures/roc.png"]


def test_a_finished_run_is_mirrored_completely(root):
    with opened(root) as run:
        for epoch in (1, 2, 3):
            metrics = {"val/accuracy": epoch / 10, "train/total": math.nan, "val/bad": math.inf}
            run.record_epoch(epoch, metrics, {"test/watched": 0.5})
            tracking.sync(run.folder, ON)
        found, _ = mirrored(run.folder)
        assert found.info.status == "RUNNING"
        run.write_json("metrics.json", {"score": 0.2, "best_epoch": 2, "val/accuracy": 0.2, "test/recall/νe CC": 0.5})
        (run.folder / "figures").mkdir()
        (run.folder / "figures" / "roc.png").write_bytes(b"png")
        (run.folder / "best.pt").write_bytes(b"weights")
        (run.folder / "last.pt").write_bytes(b"not mirrored")
    tracking.sync(run.folder, ON)
    found, client = mirrored(run.folder)
    record = runs.read_json(run.folder / "record.json")
    assert found.info.status == "FINISHED"
    assert found.info.run_name == run.folder.name
    assert curve(run.folder, "val/accuracy") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert len(curve(run.folder, "train/total")) == 3
    assert math.isnan(found.data.metrics["train/total"])
    assert not {"val/bad", "test/watched"} & set(found.data.metrics)
    assert found.data.tags["kilter.infinite"] == "step 3: val/bad"
    assert {name: found.data.metrics[name] for name in ("score", "final/val/accuracy", "test/recall/νe CC")} == {
        "score": 0.2, "final/val/accuracy": 0.2, "test/recall/νe CC": 0.5,
    }  # fmt: skip
    assert found.data.params["model.width"] == "8"
    assert found.data.params["dataset.classes"] == "null"
    assert len([key for key in found.data.params if key.startswith("option")]) == 130
    assert len(found.data.params["long"]) <= 6000
    assert found.data.params["long"].endswith("(shortened)")
    assert not [key for key in found.data.params if key.startswith("tracking")]
    assert found.data.tags["kilter.key"] == record["key"]
    assert found.data.tags["kilter.data"] == "data"
    assert found.data.tags["mlflow.source.git.commit"] == (record["git_revision"] or "")
    assert found.data.tags["git.dirty"] in {"true", "false", "none"}
    assert found.data.tags["kilter.status"] == "finished"
    (dataset,) = found.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("digits", "data")
    artifacts = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert artifacts >= {"config.yaml", "metrics.json", "history.jsonl", "best.pt", "figures"}
    assert "last.pt" not in artifacts
    assert [file.path for file in client.list_artifacts(found.info.run_id, "figures")] == ["figures/roc.png"]


def test_syncing_again_changes_nothing(root):
    with opened(root) as run:
        run.record_epoch(1, {"loss": 1.0})
        run.write_json("metrics.json", {"score": 0.2, "loss": 1.0})
    for _ in range(3):
        tracking.sync(run.folder, ON)
    assert curve(run.folder, "loss") == [(1, 1.0)]
    assert curve(run.folder, "score") == [(1, 0.2)]
    assert number_of_runs(root) == 1


def test_a_resumed_run_continues_the_same_mlflow_run_without_double_points(root):
    with opened(root) as run:
        for epoch in (1, 2, 3):
            run.record_epoch(epoch, {"loss": float(epoch)})
        tracking.sync(run.folder, ON)
        run.finish("failed", "RuntimeError: boom")
    tracking.sync(run.folder, ON)
    assert mirrored(run.folder)[0].info.status == "FAILED"
    with opened(root, resume=True) as again:
        for epoch in (3, 4):  # the checkpoint was of epoch 2
            again.record_epoch(epoch, {"loss": float(epoch)})
            tracking.sync(again.folder, ON)
            assert mirrored(run.folder)[0].info.status == "RUNNING"
    tracking.sync(again.folder, ON)
    found, _ = mirrored(run.folder)
    assert (found.info.status, found.data.tags["kilter.status"]) == ("FINISHED", "finished")
    assert curve(run.folder, "loss") == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert number_of_runs(root) == 1


@pytest.mark.parametrize("lost", ["the link", "the last epochs of the link"])
def test_a_process_killed_between_mlflow_and_its_note_leaves_no_double(root, lost, monkeypatch):
    run = opened(root)
    for epoch in (1, 2, 3):
        run.record_epoch(epoch, {"loss": float(epoch)})
    tracking.sync(run.folder, ON)
    link = run.folder / "mlflow.json"
    if lost == "the link":
        link.unlink()
    else:
        link.write_text(json.dumps({**json.loads(link.read_text()), "epoch": 1}))
    monkeypatch.setattr(tracking, "_PROCESS", "a later process")
    for epoch in (3, 4):  # resumed from the checkpoint of epoch 2
        run.record_epoch(epoch, {"loss": float(epoch)})
    tracking.sync(run.folder, ON)
    assert curve(run.folder, "loss") == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert number_of_runs(root) == 1
    assert len(mirrored(run.folder)[0].inputs.dataset_inputs) == 1


def test_more_final_metrics_than_a_batch_takes(root):
    with opened(root) as run:
        run.write_json("metrics.json", {f"data/train/T.{i}": i / 2500 for i in range(2500)})
    tracking.sync(run.folder, ON)
    assert len(mirrored(run.folder)[0].data.metrics) == 2500


@given(st.text(min_size=1, max_size=300) | st.text("./ a", min_size=1))
def test_every_name_fits_mlflows_alphabet(text):
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    _validate_metric_name(tracking._name(text))
    _validate_param_name(tracking._name(text))


# --- the status after each death, in real processes that also race for a new database ---

DEATHS = """
import os, signal, sys, time
import mlflow, mlflow.store.tracking.sqlalchemy_store
from pathlib import Path
from src import provenance, runs, tracking
from src.errors import UserError

root, on = Path(sys.argv[1]), tracking.Tracking(enabled=True, uri=None, experiment="kilter")

def signalled(number):
    os.kill(os.getpid(), number)
    time.sleep(20)

def fails(error):
    raise error

ENDS = {
    "success": lambda: None,
    "exception": lambda: fails(RuntimeError("boom")),
    "mistake": lambda: fails(UserError("bad file")),
    "exit": lambda: sys.exit(3),
    "keyboard": lambda: signalled(signal.SIGINT),
    "term": lambda: signalled(signal.SIGTERM),
    "hangup": lambda: signalled(signal.SIGHUP),
    "kill": lambda: signalled(signal.SIGKILL),
}

def one(name):
    tracking.prepare(on, root)
    key = provenance.run_key({"seed": name}, "", "")
    run = runs.open_run(root, name, key, {"seed": name}, provenance.describe(key, name, 0, "", ""), resume=False, force=False)
    try:
        with run:
            run.record_epoch(1, {"loss": 1.0})
            tracking.sync(run.folder, on)
            ENDS[name]()
    finally:
        tracking.sync(run.folder, on)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
for name in ENDS:
    if os.fork() == 0:
        sys.stderr = open(os.devnull, "w")
        one(name)
        sys.exit(0)
for _ in ENDS:
    os.wait()
"""

TRUE_STATUS = {
    "success": ("finished", "FINISHED"), "exception": ("failed", "FAILED"), "mistake": ("failed", "FAILED"),
    "exit": ("failed", "FAILED"), "keyboard": ("killed", "KILLED"), "term": ("killed", "KILLED"),
    "hangup": ("killed", "KILLED"), "kill": ("killed", "KILLED"),
}  # fmt: skip


@pytest.fixture(scope="module")
def graveyard(tmp_path_factory):
    root = tmp_path_factory.mktemp("graveyard")
    done = subprocess.run(
        [sys.executable, "-c", DEATHS, str(root)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    folders = {path.name.split("-")[0]: path for path in runs.run_folders(root)}
    assert folders.keys() == TRUE_STATUS.keys()
    before = {name: mirrored(path)[0].info.status for name, path in folders.items()}
    killed_done = (folders["kill"] / "DONE").exists()
    tracking.prepare(ON, root)
    return folders, before, killed_done


@pytest.mark.parametrize("death", [name for name in TRUE_STATUS if name != "kill"])
def test_status_is_true_after(death, graveyard):
    folders, before, _ = graveyard
    found, client = mirrored(folders[death])
    status, in_mlflow = TRUE_STATUS[death]
    assert runs.read_json(folders[death] / "DONE")["status"] == runs.status(folders[death]) == status
    assert found.info.status == before[death] == in_mlflow
    assert found.data.tags["kilter.status"] == status
    assert client.get_experiment(found.info.experiment_id).name == "kilter"
    assert curve(folders[death], "loss") == [(1, 1.0)]


def test_a_killed_process_is_reaped_by_the_next_run(graveyard):
    folders, before, killed_done = graveyard
    assert before["kill"] == "RUNNING"
    assert not killed_done
    assert runs.read_json(folders["kill"] / "DONE")["reason"] == "process died"
    found, client = mirrored(folders["kill"])
    assert found.info.status == "KILLED"
    assert curve(folders["kill"], "loss") == [(1, 1.0)]
    assert {file.path for file in client.list_artifacts(found.info.run_id)} >= {"config.yaml", "history.jsonl"}


def test_the_reaper_ends_runs_whose_own_process_could_not(root):
    """The server was down when the run ended, and the folder has been set aside since."""
    with opened(root) as run:
        tracking.sync(run.folder, ON)
        run.finish("failed", "RuntimeError: boom")
    fresh = opened(root)
    aside = root / f"{fresh.folder.name}.aborted-1"
    tracking.reap(root, ON)
    assert mirrored(aside)[0].info.status == "RUNNING"  # its own process may still be at it
    os.utime(aside / "DONE", (time.time() - 2 * tracking.SETTLED,) * 2)
    tracking.reap(root, ON)
    assert mirrored(aside)[0].info.status == "FAILED"
    tracking.sync(fresh.folder, ON)
    tracking.reap(root, ON)
    assert mirrored(fresh.folder)[0].info.status == "RUNNING"


KILLS = """
import os, random, signal, sys, time
import mlflow, mlflow.store.tracking.sqlalchemy_store
from pathlib import Path
from src import provenance, runs, tracking

root, on = Path(sys.argv[1]), tracking.Tracking(enabled=True, uri=None, experiment="kilter")

def train():
    tracking.prepare(on, root)
    record = provenance.describe("0" * 12, "a", 0, "", "")
    run = runs.open_run(root, "a", "0" * 12, {"seed": 0}, record, resume=True, force=False)
    if run.finished:
        return
    with run:
        for epoch in range(len(runs.history(run.folder)) or 1, 61):  # the last epoch is repeated
            run.record_epoch(epoch, {"loss": float(epoch)})
            tracking.sync(run.folder, on)
        run.write_json("metrics.json", {"score": 1.0})
    tracking.sync(run.folder, on)

def epochs():
    return sum(path.read_text().count("\\n") for path in root.glob("a-*/history.jsonl"))

random.seed(0)
kills, status = 0, 1
while status:
    child, wanted = os.fork(), epochs() + random.randint(0, 4)
    if child == 0:
        train()
        os._exit(0)
    while wanted < 60 and epochs() < wanted:
        time.sleep(0.001)
    if wanted < 60:
        time.sleep(random.uniform(0, 0.3 if random.random() < 0.3 else 0.012))
        os.kill(child, signal.SIGKILL)
        kills += 1
    status = os.waitpid(child, 0)[1]
print(kills)
"""


@pytest.mark.slow
def test_killed_at_random_instants_nothing_is_lost_and_nothing_double(root):
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(root)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
    (folder,) = runs.run_folders(root)
    assert [line["epoch"] for line in runs.history(folder)] == list(range(1, 61))
    os.utime(folder / "DONE", (time.time() - 2 * tracking.SETTLED,) * 2)
    tracking.reap(root, ON)
    assert curve(folder, "loss") == [(epoch, float(epoch)) for epoch in range(1, 61)]
    assert len(curve(folder, "score")) == 1
    assert mirrored(folder)[0].info.status == "FINISHED"
    assert number_of_runs(root) == 1


# --- never in the way ---


def test_off_costs_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from src import tracking\n"
        "off = tracking.Tracking(enabled=False, uri=None, experiment='x'); root = Path(sys.argv[1])\n"
        "tracking.prepare(off, root); tracking.sync(root, off); tracking.log_model(root, None, None, off)\n"
        "assert 'mlflow' not in sys.modules and not list(root.iterdir())"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True)


@pytest.mark.parametrize("arrived", [False, True])
def test_a_batch_that_fails_is_neither_lost_nor_doubled(root, monkeypatch, arrived):
    """As when the answer of a server times out: whether the batch arrived is not known."""
    from mlflow import MlflowClient

    run, works = opened(root), MlflowClient.log_batch
    tracking.sync(run.folder, ON)

    def fails(client, run_id, metrics=(), **rest):
        if any(metric.step == 2 for metric in metrics):
            if arrived:
                works(client, run_id, metrics, **rest)
            raise TimeoutError
        works(client, run_id, metrics, **rest)

    for epoch in (1, 2, 3):
        run.record_epoch(epoch, {"loss": float(epoch)})
    monkeypatch.setattr(MlflowClient, "log_batch", fails)
    tracking.sync(run.folder, ON)
    monkeypatch.setattr(MlflowClient, "log_batch", works)
    tracking._next_try.clear()
    tracking.sync(run.folder, ON)
    assert curve(run.folder, "loss") == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_a_failure_in_mid_run_warns_once_and_is_caught_up_with(root, monkeypatch, caplog):
    run = opened(root)
    works = tracking._open

    def broken(*arguments):
        raise sqlite3.OperationalError("database is locked: postgresql://me:hunter2@host")

    monkeypatch.setattr(tracking, "_open", broken)
    for epoch in (1, 2, 3):
        run.record_epoch(epoch, {"loss": float(epoch)})
        tracking.sync(run.folder, ON)
        tracking._next_try[run.folder] = 0.0
    (warning,) = caplog.records
    assert "database is locked" in warning.getMessage()
    assert "hunter2" not in warning.getMessage()
    monkeypatch.setattr(tracking, "_open", works)
    tracking.sync(run.folder, ON)
    assert curve(run.folder, "loss") == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_after_a_failure_the_next_epochs_do_not_wait_for_a_dead_server(root, monkeypatch):
    run, calls = opened(root), []

    def broken(*arguments):
        calls.append(arguments)
        raise ConnectionError

    monkeypatch.setattr(tracking, "_open", broken)
    for _ in range(5):
        tracking.sync(run.folder, ON)
    assert len(calls) == 1
    with run:
        pass
    tracking.sync(run.folder, ON)
    assert len(calls) == 2


# --- stores ---


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "./mlflow.db", "sqlite:", "ftp://host/x", ""])
def test_an_address_that_is_no_store_is_refused(uri):
    with pytest.raises(ValueError, match="not an MLflow store"):
        Tracking(enabled=True, uri=uri, experiment="x")
    with pytest.raises(ValueError, match="experiment is empty"):
        Tracking(enabled=True, uri=None, experiment=" ")


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "postgresql://me:hunter2@127.0.0.1:9/db", "sqlite:///{}/notes.txt"]
)
def test_a_store_that_cannot_be_used_is_a_sentence_before_training(uri, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at\n" * 100)
    with pytest.raises(
        UserError, match=r"tracking\.uri=.*: MLflow cannot use this store .*tracking\.enabled=false"
    ) as error:
        tracking.prepare(Tracking(enabled=True, uri=uri.format(tmp_path), experiment="x"), tmp_path)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "notes.txt").read_text().startswith("not a database")


def test_a_deleted_experiment_is_named(root):
    client, experiment = tracking._open(ON.store(root), "gone", root)
    client.delete_experiment(experiment)
    tracking._open.cache_clear()
    with pytest.raises(UserError, match=r"tracking\.experiment=gone: deleted in MLflow"):
        tracking.prepare(Tracking(enabled=True, uri=None, experiment="gone"), root)


def test_relative_sqlite_files_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = Tracking(enabled=True, uri="sqlite:///x.db?timeout=60", experiment="x")
    assert given.store(Path("runs")) == f"sqlite:///{tmp_path}/x.db?timeout=60"
    assert ON.store(Path("runs")) == f"sqlite:///{tmp_path}/runs/mlflow.db"


@pytest.mark.parametrize(("uri", "masked"), [
    ("postgresql://me:pw@host:5432/db", "postgresql://me:***@host:5432/db"),
    ("postgresql://me:p@w/x@host/db", "postgresql://me:***@host/db"),
    ("http://host/?token=abc&x=1", "http://host/?token=***&x=1"),
    ("http://host:5000", "http://host:5000"),
    ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
])  # fmt: skip
def test_passwords_are_masked(uri, masked):
    assert tracking.mask(uri) == masked
    assert tracking.mask(masked) == masked


# --- the model ---


class Predictor:
    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 3)
        )
        self.strategy = nn.Identity()

    def scores(self, x):
        return self.strategy(self.model(x)).softmax(dim=1)

    def eval(self):
        self.model.eval()


def images(n):
    column = np.zeros(n, dtype=np.int64)
    array = np.random.default_rng(0).integers(0, 255, (n, 2, 8, 8)).astype(np.uint8)
    return Split(ArrayInputs(array, "unit"), np.arange(n), column, column, column, column + 1.0, column == 0)


def test_the_stored_model_loads_again_and_gives_the_same_scores(root):
    import mlflow

    predictor, val = Predictor(), images(7)
    with opened(root) as run:
        run.record_epoch(1, {"loss": 1.0})
        tracking.sync(run.folder, ON)
        tracking.log_model(run.folder, predictor, val, ON)
    tracking.sync(run.folder, ON)
    found, _ = mirrored(run.folder)
    (output,) = found.outputs.model_outputs
    x = val.inputs.fetch(torch.arange(7), torch.device("cpu"))
    old = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(ON.store(root))
    try:
        for uri in (f"models:/{output.model_id}", f"runs:/{found.info.run_id}/model"):
            loaded = mlflow.pytorch.load_model(uri)
            torch.testing.assert_close(loaded(x), predictor.scores(x).detach(), rtol=0, atol=1e-6)
        signature = mlflow.models.get_model_info(f"models:/{output.model_id}").signature
    finally:
        mlflow.set_tracking_uri(old)
    assert signature.inputs.inputs[0].shape == (-1, 2, 8, 8)
    assert signature.outputs.inputs[0].shape == (-1, 3)


def test_a_model_that_cannot_be_exported_is_a_warning(root, caplog):
    class Odd(Predictor):
        def scores(self, x):
            return super().scores(x) if float(x.sum()) > 0 else x

    run = opened(root)
    tracking.sync(run.folder, ON)
    tracking.log_model(run.folder, Odd(), images(4), ON)
    assert "the model in MLflow is behind" in caplog.text
