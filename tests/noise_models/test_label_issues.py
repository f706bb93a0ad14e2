"""Suspicious labels by hand, and against cleanlab where it is installed (pip install .[oracles])."""

import numpy as np
import pytest

from src.noise_models.estimators import confident_class
from src.noise_models.label_issues import expected_joint, label_issues
from src.transition_matrix import TransitionMatrix

T = TransitionMatrix([[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]])
KINDS = {"class": "prune_by_class", "noise_rate": "prune_by_noise_rate", "both": "both",
         "confident_joint": "confident_learning"}  # fmt: skip


def sample(seed, n=3000, sharpness=0.3):
    """Noisy posteriors, a little wrong as a trained model's are, and labels drawn from the right ones."""
    rng = np.random.default_rng(seed)
    clean = rng.dirichlet([sharpness, 2 * sharpness, sharpness], n)
    true = (rng.random((n, 1)) > clean.cumsum(axis=1)).sum(axis=1)
    labels = (rng.random((n, 1)) > T.columns.T[true].cumsum(axis=1)).sum(axis=1)
    p = (clean @ T.columns.T) ** 1.3 * rng.gamma(8, size=(n, 3))
    return p / p.sum(axis=1, keepdims=True), labels, true


def by_hand():
    """Thresholds .7 and .65: the third example is confidently 1 but labelled 0, the last confidently 0."""
    p = np.array(
        [[0.95, 0.05], [0.9, 0.1], [0.2, 0.8], [0.75, 0.25], [0.1, 0.9], [0.15, 0.85], [0.05, 0.95], [0.9, 0.1]]
    )
    return p, np.array([0, 0, 0, 0, 1, 1, 1, 1])


def test_the_joint_by_hand():
    assert expected_joint(*by_hand()).tolist() == [[3, 1], [1, 3]]


@pytest.mark.parametrize("by", KINDS)
def test_issues_by_hand(by):
    assert np.flatnonzero(label_issues(*by_hand(), by)).tolist() == [2, 7]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("by", KINDS)
def test_the_sets_equal_cleanlabs(by, seed):
    find = pytest.importorskip("cleanlab.filter").find_label_issues
    p, labels, _ = sample(seed)
    ours = label_issues(p, labels, by)
    assert 100 < ours.sum() < 1500  # of 3,000; equal up to ties in the rounding of the joint, of which these have none
    np.testing.assert_array_equal(ours, find(labels, p, filter_by=KINDS[by], n_jobs=1))


def test_the_rows_of_the_joint_are_the_counts_of_the_labels():
    p, labels, _ = sample(0)
    joint = expected_joint(p, labels)
    assert joint.sum(axis=1).tolist() == np.bincount(labels).tolist()


def test_suspicion_is_better_than_chance_and_spares_the_most_probable():
    p, labels, true = sample(0)
    wrong = labels != true
    for by in KINDS:
        issues = label_issues(p, labels, by)
        assert wrong[issues].mean() > wrong.mean() + 0.1
        assert not issues[p.argmax(axis=1) == labels].any()
    both = label_issues(p, labels, "class") & label_issues(p, labels, "noise_rate")
    np.testing.assert_array_equal(both, label_issues(p, labels, "both"))


def test_of_several_confident_classes_the_most_probable_of_all_counts():
    """As cleanlab counts; equation 1 has the most probable of the confident ones, class 1 for the first example."""
    p = np.array([[0.38, 0.32, 0.3], [0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.7, 0.25, 0.05], [0.72, 0.03, 0.25]])
    labels = np.array([0, 0, 1, 1, 2])
    # thresholds: .64, .275, .25; the first example is confident of 1 and 2, not of 0, its most probable class
    assert confident_class(p, labels).tolist() == [0, 0, 1, 0, 0]


def test_an_absent_class_and_a_class_of_one_are_survived():
    p, labels, _ = sample(0, n=50)
    labels = np.where(labels == 1, 0, labels)
    for by in KINDS:
        assert not label_issues(p, labels, by).all()
    p, labels = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1]]), np.array([0, 0, 1])
    assert not label_issues(p, labels, "class").any()
