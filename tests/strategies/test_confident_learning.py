"""Runs that look for wrong labels: what they find, what they train on, what they leave, and what they repeat."""

import json

import numpy as np
import pandas as pd
import pytest

from src import runs
from src.errors import UserError
from src.loading import num_chunks
from src.strategies import confident_learning
from src.studies.options import _problem
from src.training import Trainer
from tests.test_training import Interrupted, only_run, same, weights

CLEAN = ["dataset=digits", "model=mlr", "optimizer=adam", "optimizer.lr=0.03", "schedule=none", "trainer.epochs=3",
         "trainer.batch_size=128", "strategy=confident_learning", "strategy.folds=2"]  # fmt: skip
LEARNING = [*CLEAN, "noise_model=uniform", "noise_model.rate=0.3"]


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_the_table_names_every_suspect_and_the_metrics_judge_it(train, tmp_path):
    train(*LEARNING, "figures=true")
    folder = only_run(tmp_path / "runs_root")
    table, found = confident_learning.read(folder / "suspects.csv"), metrics_of(folder)
    assert found["suspects/n"] == len(table) > 100
    assert list(table)[:2] == ["position", "row"]
    assert list(table)[-5:] == ["observed", "suggested", "probability", "self_confidence", "wrong"]
    assert (table["observed"] != table["suggested"]).all()
    assert (table["probability"] > table["self_confidence"]).all()
    assert (table["self_confidence"] - table["probability"]).is_monotonic_increasing
    assert table["position"].is_unique
    assert found["suspects/precision"] == table["wrong"].mean() > 0.6
    rate, n = found["data/train/flip_rate"], found["data/train/size"]
    assert found["suspects/recall"] == pytest.approx(table["wrong"].sum() / (rate * n))
    assert (folder / "figures" / "suspects.png").exists()
    with np.load(folder / "suspects.npz", allow_pickle=False) as worst:
        assert worst["observed"].tolist() == table["observed"][:20].tolist()
        assert worst["wrong"].tolist() == table["wrong"][:20].tolist()


def test_it_trains_on_what_is_left_or_on_what_is_suggested(train, tmp_path, monkeypatch):
    seen = {}
    minimise = Trainer.minimise

    def noted(self, model, strategy, after_epoch=None):
        if isinstance(strategy, confident_learning.ConfidentLearning):
            seen["labels"], seen["rows"] = self.train.labels.copy(), self.train.rows.copy()
            seen["source"], seen["steps"] = self.source.labels.numpy().copy(), self.steps_per_epoch
        return minimise(self, model, strategy, after_epoch)

    monkeypatch.setattr(Trainer, "minimise", noted)
    for action in ("prune", "relabel"):
        root = tmp_path / action
        train(*LEARNING, f"strategy.action={action}", "figures=false", f"runs_root={root}")
        table = confident_learning.read(only_run(root) / "suspects.csv")
        n = int(metrics_of(only_run(root))["data/train/size"])
        np.testing.assert_array_equal(seen["labels"], seen["source"])
        if action == "prune":
            assert not set(seen["rows"]) & set(table["row"])
            assert len(seen["rows"]) == n - len(table)
            task = json.loads((only_run(root) / "task.json").read_text())
            left = np.array(task["class_counts"]) - np.bincount(table["observed"].astype(int), minlength=10)
            np.testing.assert_allclose(task["training_prior"], left / left.sum())
            assert seen["steps"] == num_chunks(n - len(table), 128)
        else:
            assert len(seen["rows"]) == n
            np.testing.assert_array_equal(seen["labels"][table["position"]], table["suggested"].astype(int))


def test_without_wrong_labels_nothing_is_claimed(train, tmp_path):
    train(*CLEAN, "figures=false")
    folder = only_run(tmp_path / "runs_root")
    assert not {"suspects/precision", "suspects/recall"} & set(metrics_of(folder))
    assert "wrong" not in pd.read_csv(folder / "suspects.csv")


def test_a_resumed_run_does_not_repeat_the_folds_and_ends_with_the_same_bits(train, tmp_path, monkeypatch):
    def interrupt(epoch, metrics):
        if epoch == 2:
            raise Interrupted

    arguments = [*LEARNING, "figures=false", "imbalance_strategy=class_weights", "trainer.select=last"]
    train(*arguments, f"runs_root={tmp_path / 'whole'}")
    broken = f"runs_root={tmp_path / 'broken'}"
    with pytest.raises(Interrupted):
        train(*arguments, broken, on_epoch=interrupt)
    monkeypatch.setattr(confident_learning, "out_of_fold", None)
    train(*arguments, broken, "trainer.resume=true")
    whole, broken = only_run(tmp_path / "whole"), only_run(tmp_path / "broken")
    assert same(weights(whole), weights(broken))
    assert metrics_of(whole)["score"] == metrics_of(broken)["score"]
    assert len(runs.history(broken)) == 3


def test_nothing_can_be_chosen_by_the_suspicion():
    for name in ("suspects/precision", "suspects/recall", "suspects/n"):
        assert _problem(name, oracle=False)


def test_a_class_that_would_vanish_and_a_damaged_table_are_sentences(train, tmp_path, monkeypatch):
    monkeypatch.setattr(confident_learning, "label_issues", lambda p, labels, by: labels == 3)
    with pytest.raises(UserError, match=r"all \d+ labels '3' are suspicious"):
        train(*LEARNING)
    path = tmp_path / "suspects.csv"
    path.write_text("position\n1\n")
    with pytest.raises(UserError, match="not a table of suspects"):
        confident_learning.read(path)
