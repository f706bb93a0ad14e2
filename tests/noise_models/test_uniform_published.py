import numpy as np
import pytest

from src.noise_models.uniform_published import UniformPublished
from tests.noise_models.splits import split_of

LABELS = np.arange(50_000) % 10


def corrupted(labels=LABELS, classes=10, seed=0, **options):
    noise = UniformPublished(**options)
    return noise.corrupt(split_of(labels), classes, np.random.default_rng(seed))


def test_of_forty_percent_redrawn_thirty_six_are_wrong():
    """.361 in the published code's own run; nine in ten lose .4 · 8/9, the last class .4."""
    wrong = np.mean(corrupted() != LABELS)
    assert wrong == pytest.approx(0.361, abs=0.005)
    T = UniformPublished().transition(10).columns
    assert 1 - np.diag(T) == pytest.approx([0.4 * 8 / 9] * 9 + [0.4])
    assert np.mean(1 - np.diag(T)) == pytest.approx(0.36)
    assert np.allclose(T.sum(axis=0), 1)


def test_the_last_class_is_drained():
    observed = corrupted()
    assert not ((observed == 9) & (LABELS != 9)).any()
    shares = np.bincount(observed, minlength=10) / len(observed)
    assert shares[9] == pytest.approx(0.06, abs=0.003)
    assert shares[:9] == pytest.approx(np.full(9, 0.1044), abs=0.005)


def test_as_many_are_redrawn_as_the_code_truncates_to():
    """With two classes a redrawn label is always class 0, so that redrawn and wrong are one for class 1."""
    ones = np.ones(999, dtype=np.int64)
    for seed in range(3):
        assert (corrupted(ones, classes=2, seed=seed, rate=0.4) == 0).sum() == 399  # 399.6
    assert (corrupted(ones, classes=2, rate=1.0) == 0).all()
    assert np.array_equal(corrupted(rate=0.0), LABELS)


def test_the_empirical_matrix_is_the_stated_one_and_not_its_transpose():
    observed = corrupted(rate=0.6)
    found = np.zeros((10, 10))
    np.add.at(found, (observed, LABELS), 1 / 5000)
    T = UniformPublished(rate=0.6).transition(10).columns
    assert np.abs(found - T).max() < 0.03
    assert np.abs(found - T.T).max() > 0.05
