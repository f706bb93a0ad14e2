"""Scores for new files: equal to the run's own, with key columns, mapped to a stated prior."""

import json

import numpy as np
import pandas as pd
import pytest

from src.average import Options as averaging
from src.average import average
from src.errors import UserError
from src.evaluation.predictions import load
from src.predict import Options, main, predict, with_prior
from src.runs import run_folders
from tests.test_training import only_run

TABLE = [
    "dataset=table",
    "dataset.path=t.csv",
    "model=mlr",
    "optimizer=adam",
    "schedule=onecycle",
    "trainer.epochs=3",
    "optimizer.lr=0.05",
]


@pytest.fixture
def trained(train, tmp_path):
    """A run on a small table (1,000 rows, means far from 0, a rare class), and the table."""
    rng = np.random.default_rng(0)
    y = rng.choice(["bird", "cat", "dog"], 1000, p=[0.6, 0.3, 0.1])
    x = rng.normal(size=(1000, 2)) + 2 * np.stack([y == "cat", y == "dog"], axis=1)
    table = pd.DataFrame({"mass": 100 + 50 * x[:, 0], "charge": x[:, 1], "label": y, "split": "train"})
    table.loc[700:799, "split"], table.loc[800:, "split"] = "val", "test"
    (tmp_path / "data_root").mkdir()
    table.to_csv(tmp_path / "data_root" / "t.csv", index=False)
    train(*TABLE, "imbalance_strategy=class_weights")
    return only_run(tmp_path / "runs_root"), table


def test_scores_equal_those_of_the_run_on_the_test_split(trained, tmp_path):
    folder, table = trained
    new = tmp_path / "new.csv"
    table[table.split == "test"].drop(columns=["label", "split"]).assign(event=range(200)).to_csv(new, index=False)
    scores = predict(Options(run=str(folder), data=str(new)))
    ours = scores[["p_bird", "p_cat", "p_dog"]].to_numpy()
    np.testing.assert_allclose(ours, load(folder / "predictions.npz")["test"].probabilities, atol=1e-6)
    assert scores["event"].tolist() == list(range(200))
    assert set(scores["predicted"]) <= {"bird", "cat", "dog"}


def test_the_command_finds_the_run_by_its_key_and_writes_the_table(trained, tmp_path, capsys):
    folder, table = trained
    new = tmp_path / "new.csv"
    table[["mass", "charge"]].to_csv(new, index=False)
    out = tmp_path / "scores.csv"
    arguments = [f"run={folder.name[-12:]}", f"data={new}", f"out={out}", f"runs_root={folder.parent}"]
    assert main(arguments) == 0
    assert len(pd.read_csv(out)) == 1000
    assert "1000 examples scored" in capsys.readouterr().out
    assert main([*arguments, "prior=[0.6,0.3,0.1]"]) == 0
    balanced, natural = predict(Options(run=str(folder), data=str(new))), pd.read_csv(out)
    assert (natural["p_dog"] < balanced["p_dog"]).all()


def test_several_runs_score_by_their_mean_and_so_does_their_average(trained, train, tmp_path):
    first, table = trained
    train(*TABLE, "imbalance_strategy=class_weights", "seed=1")
    second = next(folder for folder in run_folders(first.parent) if folder != first)
    new = tmp_path / "new.csv"
    table[["mass", "charge"]].to_csv(new, index=False)
    both = f"[{first.name},{second.name}]"
    one, other, mean = (
        predict(Options(run=run, data=str(new), runs_root=str(first.parent))) for run in (first.name, second.name, both)
    )
    columns = ["p_bird", "p_cat", "p_dog"]
    expected = (one[columns].to_numpy() + other[columns].to_numpy()) / 2
    np.testing.assert_allclose(mean[columns], expected, rtol=1e-12)
    assert not np.allclose(one[columns], other[columns], atol=1e-3)
    folder = average(averaging(runs=[first.name, second.name], runs_root=str(first.parent), figures=False))
    again = predict(Options(run=str(folder), data=str(new), prior=[0.6, 0.3, 0.1]))
    prior = json.loads((first / "task.json").read_text())["training_prior"]
    np.testing.assert_allclose(again[columns], with_prior(expected, prior, [0.6, 0.3, 0.1], []), rtol=1e-9)


def test_the_prior_is_mapped_by_bayes_rule():
    p = np.array([[0.5, 0.3, 0.2]])
    mapped = with_prior(p, [1 / 3, 1 / 3, 1 / 3], [0.6, 0.3, 0.1], ["a", "b", "c"])
    np.testing.assert_allclose(mapped, [[0.30, 0.09, 0.02]] / np.sum([0.30, 0.09, 0.02]))
    np.testing.assert_allclose(with_prior(p, [0.2, 0.5, 0.3], [0.2, 0.5, 0.3], ["a", "b", "c"]), p)


def test_class_weights_trained_to_a_balanced_prior(trained):
    folder, _ = trained
    prior = json.loads((folder / "task.json").read_text())["training_prior"]
    np.testing.assert_allclose(prior, [1 / 3] * 3, rtol=1e-6)


@pytest.mark.parametrize(("arguments", "why"), [
    (["data=none.csv"], "no such file"),
    (["data=wrong.csv"], "has no column 'charge'"),
    (["data=new.csv", "prior=[0.5,0.5]"], "prior has 2 entries, but the run has 3 classes: bird, cat, dog"),
    (["data=new.csv", "prior=[0.5,0.5,-1]"], "prior"),
    (["data=new.csv", "deviec=cpu"], "did you mean 'device'"),
    (["data=new.csv", "device=gpu"], "not a device"),
    (["data=new.csv", "run=nothing-here"], "nothing-here"),
    (["data=new.csv", "run=[]"], "no run is named"),
    (["new.csv"], "give key=value"),
    ([], "data: missing"),
])  # fmt: skip
def test_mistakes_are_sentences(trained, tmp_path, monkeypatch, capsys, arguments, why):
    folder, table = trained
    monkeypatch.chdir(tmp_path)
    table[["mass", "charge"]].to_csv("new.csv", index=False)
    table[["mass"]].to_csv("wrong.csv", index=False)
    assert main([f"run={folder}", f"runs_root={folder.parent}", *arguments]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert len(error.splitlines()) <= 6
    assert not (tmp_path / "scores.csv").exists()


def test_pictures_of_another_size_are_refused(train, tmp_path):
    train("dataset=digits", "model=mlr", "optimizer=adam", "schedule=onecycle", "trainer.epochs=1")
    folder = only_run(tmp_path / "runs_root")
    np.savez(tmp_path / "new.npz", X=np.zeros((3, 9, 9)))
    with pytest.raises(UserError, match="X must have the shape"):
        predict(Options(run=str(folder), data=str(tmp_path / "new.npz")))
    np.savez(tmp_path / "new.npz", X=np.full((3, 8, 8), 16.0))
    assert len(predict(Options(run=str(folder), data=str(tmp_path / "new.npz")))) == 3


def test_an_unfinished_run_cannot_score(trained, tmp_path):
    folder, table = trained
    table[["mass", "charge"]].to_csv(tmp_path / "new.csv", index=False)
    (folder / "DONE").unlink()
    with pytest.raises(UserError, match="only a finished run can score"):
        predict(Options(run=str(folder), data=str(tmp_path / "new.csv")))


def test_a_class_that_was_never_seen_cannot_be_mapped():
    with pytest.raises(UserError, match="no example of class 'b'"):
        with_prior(np.array([[0.5, 0.5]]), [1.0, 0.0], [0.5, 0.5], ["a", "b"])


def test_a_key_of_digits_alone_is_a_name(tmp_path, capsys):
    assert main(["run=123456789012", "data=x", f"runs_root={tmp_path}"]) == 2
    assert "123456789012" in capsys.readouterr().err
