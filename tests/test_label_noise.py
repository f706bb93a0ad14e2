"""Mistakes about wrong labels: what a person reads of a whole run."""

import json

import numpy as np
import pytest

from src.errors import UserError

RUN = ("dataset=digits", "dataset.classes=[3,8,9]", "model=mlr")
SINGULAR = "[[.5,.5,.1],[.4,.4,.1],[.1,.1,.8]]"


@pytest.mark.parametrize(
    ("typed", "sentences"),
    [
        (
            ["noise_model=transition", "noise_model.matrix=[[.9,.3,.1],[.05,.4,.1],[.05,.3,.7]]"],
            "the columns must sum to 1, not to 1, 1, 0.9",
        ),
        (
            ["noise_model=transition", "noise_model.matrix=[[.9,.05,.05],[.3,.4,.3],[.1,.1,.8]]"],
            "the columns must sum to 1, not to 1.3, 0.55, 1.15; its rows do: transpose it",
        ),
        (
            ["noise_model=uniform", "strategy=forward", "strategy.transition=[[.9,.3],[.2,.7]]"],
            "the columns must sum to 1, not to 1.1, 1",
        ),
        (
            ["noise_model=transition", "noise_model.matrix=[[.9,.2],[.1,.8]]"],
            "matrix is 2×2, but the dataset has 3 classes",
        ),
        (
            ["noise_model=uniform", "strategy=backward", "strategy.transition=[[.9,.2],[.1,.8]]"],
            "strategy.transition is 2×2, but the dataset has 3 classes",
        ),
        (
            ["noise_model=transition", f"noise_model.matrix={SINGULAR}", "strategy=backward"],
            "strategy=backward: this transition matrix is singular: observed labels do not tell the true classes apart; "
            "strategy=forward needs no inverse",
        ),
        (
            ["noise_model=transition", f"noise_model.matrix={SINGULAR}", "strategy=flipped"],
            "strategy.decode=inverse: this transition matrix is singular: observed labels do not tell the true classes apart; "
            "try decode=transpose",
        ),
        (
            ["noise_model=uniform", "strategy=forward", "strategy.transition=estimated", "dataset.train_size=60"],
            "too few examples to estimate the label noise: ",
        ),
    ],
)
def test_a_matrix_that_will_not_do_is_one_sentence(train, typed, sentences):
    with pytest.raises(UserError) as caught:
        train(*RUN, *typed)
    said = str(caught.value)
    assert sentences in said
    assert "\n" not in said


def own_labels(root, wrong):
    root.mkdir()
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    X = rng.normal(0, 0.3, (240, 4)) + np.eye(3, 4)[y]
    observed = np.where(rng.random(240) < wrong, (y + 1) % 3, y)
    np.savez(root / "own.npz", X=X.astype(np.float32), y=y, y_observed=observed)
    part = {"Xtr": X[:180], "Str": observed[:180], "Xts": X[180:], "Yts": y[180:]}
    np.savez(root / "course.npz", **part)


@pytest.mark.parametrize("noise", ["none", "uniform"])
@pytest.mark.parametrize("file", ["own", "course"])
def test_no_noise_model_knows_the_wrong_labels_of_the_data_set_itself(train, tmp_path, file, noise):
    own_labels(tmp_path / "data_root", wrong=0.3)
    data = ["dataset=arrays", f"dataset.path={file}.npz", "model=mlr", f"noise_model={noise}"]
    with pytest.raises(UserError, match=r"transition=known: nothing states the transition matrix of these labels"):
        train(*data, "strategy=forward")
    with pytest.raises(UserError, match="the share of wrong labels is not known"):
        train(*data, "strategy=coteaching", "optimizer=adam")
    train(*data, "strategy=forward", "strategy.transition=estimated", "strategy.estimator=confident_joint")
    (written,) = (tmp_path / "runs_root").glob("*/metrics.json")
    metrics = json.loads(written.read_text())
    assert "transition/error" not in metrics
    if file == "own":
        assert metrics["transition/error_realised"] < 0.4


def test_right_labels_of_its_own_leave_the_noise_model_all_there_is_to_know(train, tmp_path):
    own_labels(tmp_path / "data_root", wrong=0.0)
    data = ["dataset=arrays", "dataset.path=own.npz", "model=mlr", "noise_model=uniform"]
    train(*data, "strategy=forward")
    (written,) = (tmp_path / "runs_root").glob("*/metrics.json")
    assert json.loads(written.read_text())["transition/error"] == 0


@pytest.mark.parametrize("code", ["strict", "any"])
def test_a_run_is_repeated_when_the_matrix_that_it_takes_from_another_has_changed(train, tmp_path, code):
    def learn(*typed):
        return train(*RUN, "noise_model=uniform", "strategy=rmlr", f"code={code}", *typed)

    learn("strategy.transition=estimated")
    (record,) = (tmp_path / "runs_root").glob("*/transition.json")
    for _ in range(2):
        learn(f"strategy.transition=from_run:{record.parent.name}")
    assert len(list((tmp_path / "runs_root").glob("*/DONE"))) == 2
    known = json.loads(record.read_text())
    record.write_text(json.dumps(known | {"matrix": np.eye(3).tolist()}))
    learn(f"strategy.transition=from_run:{record.parent.name}")
    assert len(list((tmp_path / "runs_root").glob("*/DONE"))) == 3


def test_synthetic_examples_say_nothing_of_the_transition_matrix(train, tmp_path):
    few = [*RUN, "dataset.imbalance_ratio=3", "noise_model=uniform", "strategy=forward", "trainer.epochs=1"]
    for balance in ("none", "smote"):
        train(*few, "strategy.transition=estimated", "strategy.estimator=em", f"imbalance_strategy={balance}")
    found = [json.loads(path.read_text())["matrix"] for path in (tmp_path / "runs_root").glob("*/transition.json")]
    assert len(found) == 2
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (
            np.zeros(100),
            "100 labels, but the data set has 537 examples; one label for each is needed, in the data set's order",
        ),
        (np.full(537, 5), "; dataset.classes keeps 3, 8, 9, by the data set's own numbers"),
    ],
)
def test_a_file_of_labels_that_will_not_do_is_one_sentence(train, tmp_path, labels, sentence):
    np.save(tmp_path / "labels.npy", labels)
    with pytest.raises(UserError) as caught:
        train(*RUN, "noise_model=from_file", f"noise_model.path={tmp_path / 'labels.npy'}")
    said = str(caught.value)
    assert sentence in said
    assert "\n" not in said
