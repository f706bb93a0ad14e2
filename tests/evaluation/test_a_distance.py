"""The distance of Gaussians, whose best error is known."""

import numpy as np
import pytest
from scipy.stats import norm

from src.errors import UserError
from src.evaluation import a_distance as module
from src.evaluation.a_distance import a_distance


def gaussians(n, shift, dimensions=5, seed=0):
    """Two domains of n examples each whose first of some features differs by `shift` standard deviations."""
    x = np.random.default_rng(seed).normal(size=(2 * n, dimensions))
    domain = np.repeat([0, 1], n)
    x[:, 0] += shift * domain
    return x.astype(np.float32), domain


@pytest.mark.parametrize("shift", [0, 0.5, 1, 2, 3])
def test_it_is_that_of_the_best_error(shift):
    found = a_distance(*gaussians(2000, shift), np.random.default_rng(0))
    assert found["mean"] == pytest.approx(2 * (1 - 2 * norm.cdf(-shift / 2)), abs=0.07)
    assert found["n"] == 5
    assert found["low"] < found["mean"] < found["high"]


def test_separable_domains_are_2_apart():
    found = a_distance(*gaussians(100, 40), np.random.default_rng(0))
    assert (found["mean"], found["low"], found["high"]) == (2, 2, 2)


def test_scale_and_constant_features_do_not_matter():
    x, domain = gaussians(500, 1)
    scaled = np.column_stack([1e4 * x + 7, np.full(len(x), 3.0)])
    a, b = (a_distance(each, domain, np.random.default_rng(0))["mean"] for each in (x, scaled))
    assert a == pytest.approx(b, abs=0.01)


def test_many_examples_of_one_domain_are_no_distance():
    """Without balance, always saying the larger domain would err in one of ten: a distance of 1.6."""
    x, _ = gaussians(1500, 0)
    found = a_distance(x, (np.arange(3000) < 300).astype(int), np.random.default_rng(0))
    assert abs(found["mean"]) < 0.25


def test_many_features_of_few_examples_are_not_learned_by_heart():
    found = a_distance(*gaussians(300, 1, dimensions=320), np.random.default_rng(0))
    assert found["mean"] > 0.15, "0.77 with enough examples; 0.08 with scikit-learn's own penalty"


def test_as_many_of_each_and_at_most_so_many(monkeypatch):
    monkeypatch.setattr(module, "MOST", 50)
    domain = np.array([2] * 70 + [5] * 400)
    rows = module._balanced(domain, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 100
    assert np.unique(domain[rows], return_counts=True)[1].tolist() == [50, 50]
    monkeypatch.setattr(module, "MOST", 500)
    assert len(module._balanced(domain, np.random.default_rng(0))) == 140


def test_the_same_stream_gives_the_same_distance():
    x, domain = gaussians(200, 1)
    once, again, other = (a_distance(x, domain, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_too_little_to_say():
    x, domain = gaussians(50, 0)
    with pytest.raises(ValueError, match="between two domains"):
        a_distance(x, np.zeros(100, dtype=int), np.random.default_rng(0))
    with pytest.raises(UserError, match="needs 5 examples of each domain; one has 4"):
        a_distance(x[:54], domain[:54], np.random.default_rng(0))
