"""T[i, j] = P(observed i | true j). The matrix here is not doubly stochastic: the others hide a transposition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import UserError
from src.noise_models.sampling import corrupt, realised
from src.noise_models.transition import Transition
from src.noise_models.uniform import Uniform
from src.transition_matrix import TransitionMatrix
from tests.noise_models.splits import split_of

T = [[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]]


def test_columns_are_what_a_true_class_becomes():
    observed = Transition(matrix=T).corrupt(split_of(np.full(50_000, 1)), 3, np.random.default_rng(0))
    assert np.allclose(np.bincount(observed) / 50_000, [0.3, 0.4, 0.3], atol=0.01)


def test_exact_counts_are_the_expected_ones():
    labels = np.repeat([0, 1, 2], [100, 10, 7])
    observed = Transition(matrix=T, sampling="exact").corrupt(split_of(labels), 3, np.random.default_rng(0))
    assert np.bincount(observed[labels == 0], minlength=3).tolist() == [90, 5, 5]
    assert np.bincount(observed[labels == 1], minlength=3).tolist() == [3, 4, 3]
    assert np.bincount(observed[labels == 2], minlength=3).sum() == 7


@given(st.integers(2, 6), st.integers(0, 10_000), st.integers(0, 200))
def test_exact_sampling_is_within_one_of_the_expectation(num_classes, seed, n):
    rng = np.random.default_rng(seed)
    matrix = TransitionMatrix(rng.dirichlet(np.ones(num_classes), size=num_classes).T)
    noise = Transition(matrix=matrix.columns.tolist(), sampling="exact")
    observed = noise.corrupt(split_of(np.zeros(n, dtype=np.int64)), num_classes, rng)
    assert (np.abs(np.bincount(observed, minlength=num_classes) - n * matrix.columns[:, 0]) < 1 + 1e-6).all()


def test_exact_sampling_of_small_classes_prefers_no_class():
    """Of 3 examples 1.8 stay, and each other class is due 0.4: a tie of three for one label."""
    labels = np.repeat(np.arange(4), 3)
    noise, split = Uniform(rate=0.4, sampling="exact"), split_of(labels)
    drawn = [noise.corrupt(split, 4, np.random.default_rng(seed)) for seed in range(400)]
    assert np.array_equal(noise.corrupt(split, 4, np.random.default_rng(7)), drawn[7])
    shares = np.mean([np.bincount(observed, minlength=4) for observed in drawn], axis=0) / len(labels)
    assert np.allclose(shares, 1 / 4, atol=0.02)


def test_realised_is_oriented_like_the_stated_matrix():
    clean = np.array([0, 0, 0, 0, 1, 1])
    matrix, rate = realised(clean, np.array([0, 0, 0, 1, 2, 1]), 3)
    assert matrix.columns.tolist() == [[0.75, 0, 0], [0.25, 0.5, 0], [0, 0.5, 1]]
    assert rate == pytest.approx(2 / 6)


def test_inverse_and_posterior_obey_their_identities():
    matrix, prior = TransitionMatrix(T), np.array([0.5, 0.3, 0.2])
    assert np.allclose(matrix.inverse() @ matrix.columns, np.eye(3))
    q = matrix.posterior(prior)
    assert np.allclose(q.sum(axis=0), 1)
    assert np.allclose(q @ (matrix.columns @ prior), prior)
    assert q[0, 1] == pytest.approx(0.05 * 0.5 / (0.05 * 0.5 + 0.4 * 0.3 + 0.1 * 0.2))
    assert np.allclose(matrix.rows, np.array(T).T)
    assert TransitionMatrix.identity(3).condition_number() == pytest.approx(1)


@pytest.mark.parametrize(("bad", "why"), [
    (np.transpose(T).tolist(), "its rows do: transpose it"),
    ([[0.5, 0.5], [0.4, 0.5]], "columns must sum to 1"),
    ([[1.2, 0.0], [-0.2, 1.0]], "probabilities, 0 to 1"),
    ([[1.0, 0.0]], "square"),
    ([[1.0, 0.0], [0.0]], "rows of one length"),
    ([[float("nan"), 0.0], [0.0, 1.0]], "probabilities, 0 to 1"),
])  # fmt: skip
def test_a_wrong_matrix_is_refused_in_a_sentence(bad, why):
    with pytest.raises(ValueError, match=why):
        Transition(matrix=bad)


def test_a_singular_matrix_has_no_inverse():
    with pytest.raises(ValueError, match="singular"):
        TransitionMatrix([[0.5, 0.5], [0.5, 0.5]]).inverse()


@pytest.mark.parametrize(("prior", "why"), [
    ([0.5, 0.5], r"one number for each of the 3 classes, not the shape \(2,\)"),
    ([[0.5, 0.3, 0.2]], r"not the shape \(1, 3\)"),
    (0.5, r"not the shape \(\)"),
    ([0.5, 0.7, -0.2], "at least 0"),
    ([0.0, 0.0, 0.0], "not all of them 0"),
    ([0.5, float("nan"), 0.5], "finite"),
    ([1.0, float("inf"), 0.5], "finite"),
])  # fmt: skip
def test_a_wrong_prior_is_refused_in_a_sentence(prior, why):
    with pytest.raises(ValueError, match=why):
        TransitionMatrix(T).posterior(prior)


def test_a_prior_need_not_be_normalised():
    assert np.allclose(TransitionMatrix(T).posterior([5, 3, 2]), TransitionMatrix(T).posterior([0.5, 0.3, 0.2]))


def test_the_number_of_classes_must_fit():
    with pytest.raises(UserError, match=r"noise_model\.matrix is 3×3, but the dataset has 10 classes"):
        Transition(matrix=T).corrupt(split_of(np.zeros(5, dtype=np.int64)), 10, np.random.default_rng(0))


def test_the_matrix_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        TransitionMatrix(T).columns[0, 0] = 0.5


def test_the_studys_matrices_are_its_equations_38_and_39():
    """They are doubly stochastic; the first is not symmetric, so that a transposition would show."""
    from tests.contracts import yamls

    stated = {name: yamls.build("noise_model", name).transition(3).columns for name in ("mnist05", "mnist06")}
    assert stated["mnist05"].tolist() == [[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]]
    assert np.allclose(stated["mnist06"], 0.1 * np.eye(3) + 0.3)


@pytest.mark.parametrize("sampling", ["iid", "exact"])
def test_labels_that_are_hidden_stay_so_and_do_not_count(sampling):
    labels, matrix = np.array([-1, 0, 1, -1]), TransitionMatrix(np.array([[0.0, 1.0], [1.0, 0.0]]))
    observed = corrupt(labels, matrix, sampling, np.random.default_rng(0))
    assert observed.tolist() == [-1, 1, 0, -1]
    found, rate = realised(labels, observed, 2)
    assert rate == 1.0
    assert np.array_equal(found.columns, matrix.columns)


@given(st.integers(2, 6), st.integers(0, 10_000))
def test_examples_counted_by_observed_class_have_a_matrix_of_their_own(num_classes, seed):
    rng = np.random.default_rng(seed)
    matrix = TransitionMatrix(rng.dirichlet(np.ones(num_classes), size=num_classes).T)
    factor, mix = rng.uniform(0.1, 9, num_classes), rng.dirichlet(np.ones(num_classes))
    counted = matrix.reweighted(factor)
    np.testing.assert_allclose(
        counted.columns @ (mix * (factor @ matrix.columns)), factor * (matrix.columns @ mix), rtol=1e-9
    )
    np.testing.assert_allclose(matrix.reweighted(7 * factor).columns, counted.columns)
    np.testing.assert_allclose(counted.reweighted(1 / factor).columns, matrix.columns, atol=1e-12)
