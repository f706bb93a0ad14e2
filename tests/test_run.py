"""The command as a person types it, from composition to record."""

import json

import numpy as np
import pytest

from src import config, experiment
from src.evaluation.predictions import load
from tests.test_training import only_run

SMALL = [
    "dataset=digits",
    "model=mlr",
    "optimizer=adam",
    "schedule=onecycle",
    "trainer.epochs=2",
    "trainer.num_threads=1",
]


def test_the_command_trains_and_leaves_a_record_that_stands_alone(command, tmp_path):
    done = command("src.run", *SMALL, f"runs_root={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "val/balanced_accuracy = " in done.stdout
    folder = only_run(tmp_path)
    assert str(folder) in done.stdout
    files = {path.name for path in folder.iterdir()}
    assert files >= {"config.yaml", "record.json", "task.json", "history.jsonl", "metrics.json", "predictions.npz",
                     "best.pt", "last.pt", "log.txt", "figures", "DONE"}  # fmt: skip
    assert json.loads((folder / "DONE").read_text())["status"] == "finished"
    assert len(list((folder / "figures").glob("*.png"))) >= 5
    again = command("src.run", *SMALL, f"runs_root={tmp_path}")
    assert "already finished" in again.stdout
    assert again.returncode == 0


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["--shell-completion", "query=bash"]])
def test_help_and_completion_import_nothing_heavy(arguments):
    import os
    import subprocess
    import sys

    from tests.conftest import ROOT

    env = {**os.environ, "COMP_LINE": "kilter strategy=d", "COMP_POINT": "17"}
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "src.run", *arguments],
                          cwd=ROOT, env=env, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "hydra" in imported
    assert not imported & {"torch", "mlflow", "sklearn", "matplotlib", "pandas", "optuna", "h5py"}
    if "query=bash" in arguments:
        assert {"strategy=dann", "strategy=discriminator"} <= set(done.stdout.split())


def test_mistakes_are_sentences_with_exit_status_2(command, tmp_path):
    done = command("src.run", *SMALL, "strategy=dann", "trainer.epoch=3", f"runs_root={tmp_path / 'r'}")
    assert done.returncode == 2
    assert "trainer.epoch" in done.stderr
    assert "did you mean 'epochs'" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "r").exists()


def test_an_unknown_group_option_lists_the_known(command):
    done = command("src.run", "strategy=dan")
    assert done.returncode != 0
    assert "dann" in done.stderr
    assert "Traceback" not in done.stderr


def test_metrics_follow_from_the_predictions_alone(train, tmp_path):
    score = train(*SMALL, "noise_model=uniform", "noise_model.rate=0.3")
    folder = only_run(tmp_path / "runs_root")
    metrics, found = json.loads((folder / "metrics.json").read_text()), load(folder / "predictions.npz")
    val, test = found["val"], found["test"]
    recalls = [np.mean(val.probabilities[val.labels == c].argmax(1) == c) for c in range(10)]
    assert score == metrics["score"] == metrics["val/balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert metrics["test/accuracy"] == pytest.approx(np.mean(test.probabilities.argmax(1) == test.clean))
    assert metrics["val_clean/accuracy"] == pytest.approx(np.mean(val.probabilities.argmax(1) == val.clean))
    assert metrics["data/val/flip_rate"] == pytest.approx(np.mean(val.labels != val.clean))
    assert (test.labels == test.clean).all()
    assert metrics["val/observed_loss"] == metrics["val/loss"]  # plain training knows of no wrong labels


def test_a_run_can_be_scored_by_what_it_says_of_the_observed_labels(train, tmp_path):
    score = train(
        *SMALL, "noise_model=uniform", "noise_model.rate=0.3", "strategy=forward", "score=val/observed_loss",
        "trainer.monitor=val/observed_loss",
    )  # fmt: skip
    folder = only_run(tmp_path / "runs_root")
    val, task = load(folder / "predictions.npz")["val"], json.loads((folder / "transition.json").read_text())
    said = val.probabilities @ np.array(task["matrix"]).T
    own = said[np.arange(len(said)), val.labels]
    assert score == pytest.approx(-np.log(own).mean(), rel=1e-5)
    lines = [json.loads(line)["metrics"] for line in (folder / "history.jsonl").read_text().splitlines()]
    assert score == pytest.approx(min(line["val/observed_loss"] for line in lines), rel=1e-5)


def test_noise_touches_training_and_validation_only_and_each_with_its_own_stream(compose):
    parts = config.check(compose(*SMALL, "noise_model=uniform", "noise_model.rate=0.5"))
    clean = config.check(compose(*SMALL))
    splits = parts.dataset.splits(parts.settings.data_root, parts.settings.cache_root, 0)
    noisy, right = experiment.prepare(parts, splits).splits, experiment.prepare(clean, splits).splits
    assert (noisy.train.rows == right.train.rows).all()
    assert 0.4 < (noisy.train.labels != right.train.labels).mean() < 0.6
    assert (noisy.test.labels == right.test.labels).all()
    assert (noisy.train.clean == right.train.labels).all()


def test_a_forced_repetition_stands_beside_the_first(train, tmp_path):
    first = train(*SMALL)
    second = train(*SMALL, "force=true")
    assert first == second
    assert len(list((tmp_path / "runs_root").glob("*/config.yaml"))) == 2


def test_stock_multirun_works(command, tmp_path):
    done = command("src.run", "-m", *SMALL, "seed=0,1", f"runs_root={tmp_path / 'runs'}",
                   f"hydra.sweeper.studies_root={tmp_path / 'studies'}", "tracking.enabled=false")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("runs/*/config.yaml"))) == 2


def test_scores_are_reported_under_the_deployments_class_mix_too(train, tmp_path):
    """After balanced training probabilities are too high for rare classes; mapped back they are of the stated mix, and so
    are the examples that they are judged on."""
    train(*SMALL, "dataset.classes=[3,8]", "dataset.imbalance_ratio=8", "imbalance_strategy=oversample",
          "trainer.epochs=20", "natural_prior=[8,1]", "trainer.select=last")  # fmt: skip
    folder = only_run(tmp_path / "runs_root")
    found = json.loads((folder / "metrics.json").read_text())
    test = load(folder / "predictions.npz")["test"]
    odds = test.probabilities[:, 0] / test.probabilities[:, 1]
    mapped = 8 * odds / (1 + 8 * odds)
    weight = (np.array([8, 1]) / np.bincount(test.clean))[test.clean]
    accuracy = np.average((mapped < 0.5) == test.clean, weights=weight)
    assert found["test_natural/accuracy"] == pytest.approx(accuracy)
    loss = np.average(-np.log(np.where(test.clean == 0, mapped, 1 - mapped)), weights=weight)
    assert found["test_natural/loss"] == pytest.approx(loss, rel=1e-4)
    assert found["test_natural/recall.3"] >= found["test/recall.3"]
    assert found["test_natural/recall.8"] <= found["test/recall.8"]


def test_no_mix_is_made_up_where_the_training_chose_its_examples(train, tmp_path):
    train(*SMALL, "dataset.imbalance_ratio=4", "strategy=hard_mining")
    folder = only_run(tmp_path / "runs_root")
    assert json.loads((folder / "task.json").read_text())["training_prior"] is None


def test_where_the_loss_saw_the_natural_mix_scores_are_reported_once(train, tmp_path):
    train(*SMALL)
    assert not any(
        "_natural" in name for name in json.loads((only_run(tmp_path / "runs_root") / "metrics.json").read_text())
    )
