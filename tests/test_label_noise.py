"""Mistakes about wrong labels: what a person reads of a whole run."""

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
            "strategy=backward: this transition matrix is singular: two classes cannot be told apart after corruption; "
            "strategy=forward needs no inverse",
        ),
        (
            ["noise_model=transition", f"noise_model.matrix={SINGULAR}", "strategy=flipped"],
            "strategy.decode=inverse: this transition matrix is singular: two classes cannot be told apart after corruption; "
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
