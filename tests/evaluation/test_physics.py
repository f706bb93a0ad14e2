"""Purity and efficiency against brute force, with event weights and another class mix."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.evaluation.metrics import metrics
from src.evaluation.physics import CUTS, cut_metrics, natural_weight, scan

PRIOR = (0.65, 0.03, 0.32)
NAMES = ("nc", "nue", "numu")


def brute_force(p, y, w, c, cut):
    """(purity, efficiency) of p[c] >= cut, event by event."""
    signal = selected = both = 0.0
    for i in range(len(y)):
        signal += w[i] * (y[i] == c)
        if float(p[i, c]) >= cut:
            selected += w[i]
            both += w[i] * (y[i] == c)
    return both / selected if selected else math.nan, both / signal if signal else math.nan


@pytest.mark.parametrize("prior", [None, PRIOR])
def test_against_brute_force(make, prior):
    s = make(120)
    w = s.weight
    if prior:
        total = {c: sum(s.weight[i] for i in range(120) if s.clean[i] == c) for c in range(3)}
        w = np.array([s.weight[i] * prior[s.clean[i]] / (total[s.clean[i]] / sum(total.values())) for i in range(120)])
        np.testing.assert_allclose(natural_weight(s.clean, s.weight, prior), w)
    found = scan(s.probabilities, s.clean, w)
    for c in range(3):
        expected = np.array([brute_force(s.probabilities, s.clean, w, c, cut) for cut in CUTS]).T
        np.testing.assert_allclose(found.purity[c], expected[0], rtol=1e-9)
        np.testing.assert_allclose(found.efficiency[c], expected[1], rtol=1e-9)


def test_best_cut_metrics(make):
    s = make(400)
    found = cut_metrics(s.probabilities, s.clean, s.weight, NAMES, PRIOR)
    natural = natural_weight(s.clean, s.weight, PRIOR)
    for prefix, w in (("", s.weight), ("natural.", natural)):
        for c, name in enumerate(NAMES):
            values = [brute_force(s.probabilities, s.clean, w, c, cut) for cut in CUTS]
            product = [-1 if math.isnan(purity) else purity * efficiency for purity, efficiency in values]
            k = int(np.argmax(product))
            assert found[f"{prefix}best_cut.{name}"] == pytest.approx(CUTS[k])
            assert found[f"{prefix}purity.{name}"] == pytest.approx(values[k][0])
            assert found[f"{prefix}efficiency.{name}"] == pytest.approx(values[k][1])
            assert found[f"{prefix}purity_x_efficiency.{name}"] == pytest.approx(product[k])
    at_prior = metrics(s.probabilities, s.clean, natural, NAMES)
    assert found["natural.accuracy"] == pytest.approx(at_prior["accuracy"])
    for name in NAMES:
        assert found[f"natural.precision.{name}"] == pytest.approx(at_prior[f"precision.{name}"])
        assert found[f"natural.average_precision.{name}"] == pytest.approx(at_prior[f"average_precision.{name}"])


def test_precision_and_candidates_at_a_recall(make):
    """By brute force over all cuts at an event's score."""
    s = make(200)
    found = cut_metrics(s.probabilities, s.clean, s.weight, NAMES, PRIOR, recall=0.8)
    natural = natural_weight(s.clean, s.weight, PRIOR)
    for prefix, w in (("", s.weight), ("natural.", natural)):
        for c, name in enumerate(NAMES):
            cuts = sorted({float(p) for p in s.probabilities[:, c]}, reverse=True)
            points = ((cut, brute_force(s.probabilities, s.clean, w, c, cut)) for cut in cuts)
            cut, (purity, _) = next((cut, point) for cut, point in points if point[1] >= 0.8)
            assert found[f"{prefix}precision_at_recall.{name}"] == pytest.approx(purity)
            candidates = w[s.probabilities[:, c] >= np.float32(cut)].sum()
            assert found[f"{prefix}candidates_at_recall.{name}"] == pytest.approx(candidates)
    assert not any("at_recall" in name for name in cut_metrics(s.probabilities, s.clean, s.weight, NAMES, PRIOR))


def test_natural_accuracy_is_recall_averaged_over_the_prior(make):
    s = make(300)
    recall = [metrics(s.probabilities, s.clean, s.weight, NAMES)[f"recall.{name}"] for name in NAMES]
    found = cut_metrics(s.probabilities, s.clean, s.weight, NAMES, PRIOR)
    assert found["natural.accuracy"] == pytest.approx(np.dot(PRIOR, recall))


def test_the_samples_own_mix_changes_nothing(make):
    s = make(300)
    share = np.bincount(s.clean, s.weight) / s.weight.sum()
    found = cut_metrics(s.probabilities, s.clean, s.weight, NAMES, share)
    for name in NAMES:
        assert found[f"natural.purity.{name}"] == pytest.approx(found[f"purity.{name}"])
    np.testing.assert_allclose(natural_weight(s.clean, s.weight, share), s.weight)


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(2, 5))
@settings(max_examples=50, deadline=None)
def test_identities(seed, n, num_classes):
    """Cut 0 selects all; efficiency falls with the cut; both stay in [0, 1]."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(num_classes), n).astype(np.float32)
    y, w = rng.integers(num_classes, size=n), rng.gamma(1.0, size=n) + 0.01
    found = scan(p, y, w)
    share = np.bincount(y, w, num_classes) / w.sum()
    present = share > 0
    np.testing.assert_allclose(found.purity[:, 0], share)
    np.testing.assert_array_equal(found.efficiency[present, 0], 1)
    assert (np.diff(found.efficiency[present]) <= 0).all()
    assert np.isnan(found.efficiency[~present]).all()
    for values in (found.purity, found.efficiency):
        inside = values[~np.isnan(values)]
        assert ((inside >= 0) & (inside <= 1 + 1e-12)).all()


def test_perfect_classifier(make):
    s = make(50)
    found = cut_metrics(np.eye(3, dtype=np.float32)[s.clean], s.clean, s.weight, NAMES, PRIOR)
    assert all(value == pytest.approx(1) for name, value in found.items() if "best_cut" not in name)
    assert found["best_cut.nue"] == CUTS[1]


def test_an_absent_class_leaves_the_natural_mix_unknown(make):
    s = make(60)
    s = s.select(s.clean != 1)
    found = cut_metrics(s.probabilities, s.clean, s.weight, NAMES, PRIOR)
    assert all(math.isnan(value) for name, value in found.items() if name.startswith("natural."))
    assert math.isnan(found["best_cut.nue"])
    assert found["purity.nc"] > 0
    without = cut_metrics(s.probabilities, s.clean, s.weight, NAMES, (0.5, 0.0, 0.5))
    assert without["natural.purity.nc"] > 0


@pytest.mark.parametrize("prior", [(0.5, 0.5), (0.5, -0.1, 0.6), (0.0, 0.0, 0.0)])
def test_unusable_prior(make, prior):
    s = make(60)
    with pytest.raises(ValueError, match="prior"):
        natural_weight(s.clean, s.weight, prior)
