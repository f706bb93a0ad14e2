"""The gap against scikit-learn and against the area of normal scores, which is known; intervals that cover it."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from src.evaluation.domain_gap import gap_interval, gaps

NAMES = ("nc", "νe CC", "numu")


def sample(n, seed=0, domains=(0, 1), coarse=False):
    rng = np.random.default_rng(seed)
    labels, domain = rng.integers(3, size=n), rng.choice(domains, size=n)
    logits = rng.normal(size=(n, 3)) + (1 + 0.5 * (domain == domains[0]))[:, None] * np.eye(3)[labels]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return (p.round(1) if coarse else p).astype(np.float32), labels, rng.gamma(1.0, size=n), domain


def normal(n, separation, rng):
    """Scores of two classes in two domains, of areas Φ(separation / √2)."""
    labels, domain = rng.integers(2, size=n), np.arange(n) % 2
    score = 1 / (1 + np.exp(-rng.normal(np.asarray(separation)[domain] * labels, 1)))
    return np.column_stack([1 - score, score]), labels, np.ones(n), domain


@pytest.mark.parametrize("coarse", [False, True])
def test_it_is_scikit_learns_difference(coarse):
    p, labels, weight, domain = sample(500, domains=(3, 7), coarse=coarse)
    found = gaps(p, labels, weight, domain, NAMES)
    areas = np.array([
        [roc_auc_score(labels[at] == c, p[at, c], sample_weight=weight[at]) for c in range(3)]
        for at in (domain == 3, domain == 7)
    ])  # fmt: skip
    expected = areas[0] - areas[1]
    assert [*found] == ["roc_auc", "roc_auc.nc", "roc_auc._e_CC", "roc_auc.numu"]
    np.testing.assert_allclose([*found.values()][1:], expected, atol=1e-6)
    assert found["roc_auc"] == pytest.approx(np.abs(expected).mean(), abs=1e-6)
    assert min(expected) > 0, "the first domain is the easier one"
    swapped = gaps(p, labels, weight, 10 - domain, NAMES)
    np.testing.assert_allclose([*swapped.values()][1:], -expected, atol=1e-6)
    assert swapped["roc_auc"] == pytest.approx(found["roc_auc"])


def test_weights_count_as_repeated_events():
    p, labels, _, domain = sample(200)
    weight = np.random.default_rng(1).integers(0, 4, 200)
    often = np.repeat(np.arange(200), weight)
    ours = gaps(p, labels, weight.astype(float), domain, NAMES)
    assert ours == pytest.approx(gaps(p[often], labels[often], np.ones(len(often)), domain[often], NAMES))


def test_an_absent_class_has_no_gap_and_the_mean_is_of_the_others():
    p, labels, weight, domain = sample(400)
    kept = (labels != 2) | (domain == 0)
    found = gaps(p[kept], labels[kept], weight[kept], domain[kept], NAMES)
    assert np.isnan(found["roc_auc.numu"])
    assert found["roc_auc"] == pytest.approx((abs(found["roc_auc.nc"]) + abs(found["roc_auc._e_CC"])) / 2)
    intervals = gap_interval(p[kept], labels[kept], weight[kept], domain[kept], NAMES, np.random.default_rng(0), 50)
    assert np.isnan(intervals["roc_auc.numu"]).all()
    assert not np.isnan(intervals["roc_auc"]).any()
    one = labels == 1
    alone = gaps(p[one], labels[one], weight[one], domain[one], NAMES)
    assert np.isnan([*alone.values()]).all()
    assert np.isnan(
        gap_interval(p[one], labels[one], weight[one], domain[one], NAMES, np.random.default_rng(0), 50)["roc_auc"]
    ).all()


@pytest.mark.parametrize("domains", [(0,), (0, 1, 2)])
def test_other_than_two_domains_are_an_error(domains):
    with pytest.raises(ValueError, match="between two domains"):
        gaps(*sample(100, domains=(*domains, *domains)), NAMES)


@pytest.mark.parametrize("separation", [(1.5, 1.5), (1.5, 0.9), (0.6, 1.2)])
def test_intervals_hold_the_truth_as_often_as_they_say(separation):
    rng = np.random.default_rng(0)
    first, second = norm.cdf(np.array(separation) / np.sqrt(2))
    held = {"roc_auc": 0, "roc_auc.b": 0}
    for _ in range(120):
        intervals = gap_interval(*normal(240, separation, rng), ("a", "b"), rng, 150)
        for name, truth in (("roc_auc", abs(first - second)), ("roc_auc.b", first - second)):
            low, high = intervals[name]
            held[name] += low <= truth <= high
    assert 0.89 < held["roc_auc.b"] / 120 < 0.99
    assert held["roc_auc"] / 120 > 0.91


def test_the_interval_is_of_the_value_and_reproducible():
    p, labels, weight, domain = sample(1000)
    found = gaps(p, labels, weight, domain, NAMES)
    once, again = (gap_interval(p, labels, weight, domain, NAMES, np.random.default_rng(3), 100) for _ in range(2))
    assert once == again
    assert [*once] == [*found]
    assert all(low < found[name] < high for name, (low, high) in once.items())
    fewer = gap_interval(p[::5], labels[::5], weight[::5], domain[::5], NAMES, np.random.default_rng(3), 100)
    assert np.ptp(fewer["roc_auc.nc"]) > 1.5 * np.ptp(once["roc_auc.nc"])
