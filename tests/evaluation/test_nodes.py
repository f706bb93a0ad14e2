"""Nodes against brute force over all cuts, and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from src.evaluation.nodes import correlation, most_telling, nodes


def sample(n=150, width=12, levels=None, seed=0):
    """Rectified activations that know a little of the class and the domain; with `levels` full of ties; two dead nodes."""
    rng = np.random.default_rng(seed)
    labels, domain = rng.integers(3, size=n), rng.integers(2, size=n)
    a = (
        rng.normal(size=(n, width))
        + np.outer(labels == 2, rng.normal(size=width))
        + np.outer(domain, rng.normal(size=width))
    )
    a = np.maximum(0, a if levels is None else np.round(a * levels) / levels)
    a[:, 3], a[:, 7] = 0, -1
    return a.astype(np.float32), labels, domain, rng.gamma(1.0, size=n)


def brute(activation, signal, weight):
    """The best purity × efficiency over every cut that keeps some and not all."""
    best = np.nan
    for cut in np.unique(activation)[1:]:
        kept = activation >= cut
        purity = weight[kept & signal].sum() / weight[kept].sum()
        efficiency = weight[kept & signal].sum() / weight[signal].sum()
        best = np.fmax(best, purity * efficiency)
    return best


@pytest.mark.parametrize("levels", [None, 2, 1])
def test_the_best_products_are_those_of_all_cuts(levels):
    a, labels, domain, weight = sample(levels=levels)
    found = nodes(a, labels, domain, weight, 3, 2)
    assert np.flatnonzero(~found.live).tolist() == [3, 7]
    assert found.dead_share == pytest.approx(2 / 12)
    for k in np.flatnonzero(found.live):
        for c in range(3):
            assert found.classes[c, k] == pytest.approx(brute(a[:, k], labels == c, weight))
            for d in range(2):
                group = (labels == c) & (domain == d)
                assert found.groups[c, d, k] == pytest.approx(brute(a[:, k], group, weight))
        for d in range(2):
            assert found.domains[d, k] == pytest.approx(brute(a[:, k], domain == d, weight))
        area = roc_auc_score(domain == 1, a[:, k], sample_weight=weight)
        assert found.domain_auc[k] == pytest.approx(area, abs=1e-6)
    for values in (found.classes, found.domains, found.groups, found.domain_auc):
        assert np.isnan(values[..., [3, 7]]).all()


def test_a_node_that_knows_the_class_has_1_and_one_of_a_single_value_nothing():
    labels, domain = np.arange(60) % 3, np.arange(60) % 2
    a = np.stack([np.where(labels == 1, 5.0, 1.0), np.full(60, 2.0), domain.astype(float)], axis=1)
    found = nodes(a, labels, domain, np.ones(60), 3, 2)
    assert found.live.all()
    assert found.classes[1, 0] == 1
    assert found.groups[1, 0, 0] == 0.5
    assert found.domains[1, 2] == 1
    assert found.domain_auc.tolist() == [0.5, 0.5, 1.0]
    assert np.isnan(found.classes[:, 1]).all()
    assert most_telling(found.classes)[1] == 0
    assert most_telling(found.groups)[:, 1].tolist() == [2, 0, 2]


def test_events_without_weight_or_class_do_not_count():
    a, labels, domain, weight = sample(200)
    weight[:30], labels[30:50] = 0, -1
    a[:50] *= 100
    found, expected = nodes(a, labels, domain, weight, 3, 2), nodes(a[50:], labels[50:], domain[50:], weight[50:], 3, 2)
    np.testing.assert_array_equal(found.groups, expected.groups)
    np.testing.assert_array_equal(found.live, expected.live)
    with pytest.raises(ValueError, match="no events"):
        nodes(a, labels, domain, np.zeros(200), 3, 2)


def test_an_absent_class_or_domain_has_no_value():
    a, labels, domain, weight = sample()
    found = nodes(a, np.minimum(labels, 1), domain, weight, 3, 2)
    assert np.isnan(found.classes[2]).all()
    assert most_telling(found.classes).tolist()[2] == -1
    assert most_telling(found.groups).tolist()[2] == [-1, -1]
    alone = nodes(a, labels, np.zeros_like(domain), weight, 3, 2)
    assert np.isnan(alone.domain_auc).all()
    assert np.isnan(alone.domains[1]).all()
    np.testing.assert_array_equal(alone.groups[:, 0], alone.classes)
    one = nodes(a, labels, np.zeros_like(domain), weight, 3, 1)
    np.testing.assert_array_equal(one.classes, alone.classes)


def test_the_correlation_is_over_nodes_with_both_values():
    rng = np.random.default_rng(0)
    first, second = rng.random(30), rng.random(30)
    first[:3], second[2:5] = np.nan, np.nan
    expected = spearmanr(first[5:], second[5:])
    assert correlation(first, second) == pytest.approx((expected.statistic, expected.pvalue))
    assert correlation(first, first**3)[0] == pytest.approx(1)
    assert np.isnan(correlation(first[:6], second[:6])).all(), "one node is left"
    assert np.isnan(correlation(first, np.ones(30))).all()


def test_nodes_that_know_nothing_correlate_where_some_are_more_active_than_others():
    """Why a correlation alone is no sign of shared knowledge."""
    rng = np.random.default_rng(0)
    a = np.maximum(0, rng.normal(size=(400, 40)) - np.linspace(0, 2.5, 40))
    found = nodes(a, rng.integers(3, size=400), rng.integers(2, size=400), np.ones(400), 3, 2)
    assert correlation(found.classes[2], found.domains[1])[0] > 0.9
