"""Estimators of T against exact posteriors, and against cleanlab where it is installed (pip install .[oracles])."""

import numpy as np
import pytest

from src.errors import UserError
from src.noise_models import estimators
from src.transition_matrix import TransitionMatrix

T = TransitionMatrix([[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]])
RNG = np.random.default_rng(0)


def sample(n=20_000, sharpness=0.15):
    """Exact noisy posteriors of points with near anchors, and labels drawn from them."""
    rng = np.random.default_rng(1)
    clean = rng.dirichlet(np.full(3, sharpness), n)
    p = clean @ T.columns.T
    labels = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return clean, p, labels


def test_anchor_points_recover_t():
    _, p, _ = sample()
    assert estimators.error(estimators.anchor(p, 1.0), T) < 1e-3
    assert estimators.error(estimators.anchor(p), T) < 0.02


def test_the_quantile_protects_from_an_over_confident_point():
    _, p, _ = sample()
    wrong = p.copy()
    wrong[:20] = np.eye(3)[RNG.integers(0, 3, 20)]
    assert estimators.error(estimators.anchor(wrong, 1.0), T) > 0.5
    assert estimators.error(estimators.anchor(wrong), T) < 0.02


def test_the_transposed_matrix_is_told_apart():
    _, p, labels = sample()
    transposed = TransitionMatrix(T.columns.T / T.columns.sum(axis=1))
    for estimate in (estimators.anchor(p), estimators.confident(p, labels)):
        assert estimators.error(estimate, T) < estimators.error(estimate, transposed)


def test_the_confident_joint_counts_what_lies_above_its_threshold():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9]])
    labels = np.array([0, 0, 1, 1, 1])
    # thresholds: class 0 .75, class 1 2/3; the second and the fourth example are sure of neither
    assert estimators.confident_joint(p, labels).tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize("seed", range(5))
def test_confident_joint_and_t_equal_cleanlabs(seed):
    count = pytest.importorskip("cleanlab.count")
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(4), 4000)
    labels = np.array([rng.choice(4, p=row) for row in p])
    ours = estimators.confident_joint(p, labels)
    theirs = count.compute_confident_joint(labels, p, calibrate=False)
    off = ~np.eye(4, dtype=bool)
    assert np.array_equal(ours[off], theirs[off])
    assert np.array_equal(np.maximum(np.diag(ours), 1), np.diag(theirs)), "cleanlab keeps the diagonal above 0"
    _, noise, _, _ = count.estimate_py_and_noise_matrices_from_probabilities(labels, p)
    assert np.allclose(estimators.confident(p, labels).columns, noise, atol=2e-3), "it rounds its joint to whole counts"


def test_q_equals_cleanlabs_inverse_noise_matrix():
    algebra = pytest.importorskip("cleanlab.internal.latent_algebra")
    prior = np.array([0.5, 0.3, 0.2])
    assert np.allclose(T.posterior(prior), algebra.compute_inv_noise_matrix(prior, T.columns), atol=1e-12)


def test_dual_t_is_meant_for_over_confident_networks():
    clean, p, labels = sample(sharpness=0.02)
    confident = np.eye(3)[clean.argmax(axis=1)] * 0.98 + 0.01
    assert estimators.error(estimators.dual_t(confident / confident.sum(1, keepdims=True), labels), T) < 0.1
    assert estimators.error(estimators.dual_t(p, labels), T) > 0.2, "a calibrated posterior counts the noise twice"


def likelihood(matrix, clean, labels):
    return np.log((matrix.columns[labels] * clean).sum(axis=1)).mean()


def test_em_is_monotone_keeps_the_identity_and_finds_t():
    clean, _, labels = sample()
    matrix = TransitionMatrix(0.7 * np.eye(3) + 0.1)
    values = [likelihood(matrix, clean, labels)]
    for _ in range(300):
        matrix = estimators.em_step(matrix, clean, labels)
        values.append(likelihood(matrix, clean, labels))
    assert (np.diff(values) >= -1e-12).all()
    assert estimators.error(matrix, T) < 0.03
    assert np.allclose(estimators.em_step(TransitionMatrix.identity(3), clean, labels).columns, np.eye(3))


def test_the_em_step_is_the_multiplicative_rule():
    """gamma_jk <- gamma_jk R_jk / sum_l gamma_jl R_jl with R_jk = sum over label k of P_nj / S_nk; gamma = T transposed."""
    clean, _, labels = sample(500)
    gamma = (0.7 * np.eye(3) + 0.1).T
    s = clean @ gamma
    r = np.array([[(clean[labels == k, j] / s[labels == k, k]).sum() for k in range(3)] for j in range(3)])
    updated = gamma * r / (gamma * r).sum(axis=1, keepdims=True)
    found = estimators.em_step(TransitionMatrix(gamma.T), clean, labels)
    assert np.allclose(found.rows, updated, atol=1e-12)


def test_too_few_examples_are_a_sentence():
    with pytest.raises(UserError, match="2 training examples are labelled 'b', and 3 folds need at least 3"):
        estimators.enough(np.array([0] * 9 + [1] * 2), ("a", "b"), 3, "3 folds")
