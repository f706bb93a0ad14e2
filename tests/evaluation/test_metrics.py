"""Metrics against scikit-learn, brute force, and the identities that any of them must keep."""

import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from src.evaluation.metrics import confusion_matrix, higher_is_better, metric_names, metrics, normalise

ABC = ("a", "b", "c")


def sample(seed, n, num_classes, coarse=False):
    """Random probabilities, labels and weights; coarse ones have many ties."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(num_classes), n)
    p = np.round(p, 1) if coarse else p
    return p.astype(np.float32), rng.integers(num_classes, size=n), rng.gamma(1.0, size=n) + 0.01


samples = st.builds(sample, st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 5), st.booleans())


def measured(p, y, w):
    return metrics(p, y, w, [f"c{c}" for c in range(p.shape[1])])


def same(first, second, **kwargs):
    assert first.keys() == second.keys()
    np.testing.assert_allclose(list(first.values()), [second[name] for name in first], **kwargs)


@pytest.mark.parametrize("coarse", [False, True])
def test_agrees_with_sklearn(coarse):
    p, y, w = sample(3, 500, 3, coarse)
    found, predicted = metrics(p, y, w, ABC), p.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, predicted, sample_weight=w))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, predicted, sample_weight=w))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, predicted, average="macro", sample_weight=w))
    if not coarse:
        exact = p / p.sum(axis=1, keepdims=True, dtype=np.float64)
        assert found["loss"] == pytest.approx(sk.log_loss(y, exact, sample_weight=w), rel=1e-6)
        auc = sk.roc_auc_score(y, exact, multi_class="ovr", sample_weight=w)
        assert found["roc_auc"] == pytest.approx(auc, abs=1e-6)
    for c, name in enumerate(ABC):
        one = y == c
        assert found[f"recall.{name}"] == pytest.approx(sk.recall_score(one, predicted == c, sample_weight=w))
        assert found[f"precision.{name}"] == pytest.approx(sk.precision_score(one, predicted == c, sample_weight=w))
        expected = sk.average_precision_score(one, p[:, c], sample_weight=w)
        assert found[f"average_precision.{name}"] == pytest.approx(expected, abs=1e-12)


def test_roc_auc_by_brute_force():
    """Weighted share of (signal, background) pairs in the right order, ties counting half."""
    p, y, w = sample(5, 60, 3, coarse=True)
    found = metrics(p, y, w, ABC)
    for c, name in enumerate(ABC):
        right = total = 0.0
        for i in np.flatnonzero(y == c):
            for j in np.flatnonzero(y != c):
                pair = w[i] * w[j]
                right += pair * (0.5 if p[i, c] == p[j, c] else float(p[i, c] > p[j, c]))
                total += pair
        assert found[f"roc_auc.{name}"] == pytest.approx(right / total, abs=1e-12)


def test_ece_by_brute_force():
    p, y, w = sample(7, 400, 3)
    p = p.astype(np.float64)
    expected = 0.0
    for low in range(15):
        inside = [i for i in range(400) if low / 15 <= p[i].max() < (low + 1) / 15 or (low == 14 and p[i].max() == 1)]
        gap = sum(w[i] * (float(p[i].argmax() == y[i]) - p[i].max()) for i in inside)
        expected += abs(gap) / w.sum()
    assert metrics(p, y, w, ABC)["ece"] == pytest.approx(expected, abs=1e-12)


def test_golden():
    """Three events worked out by hand."""
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], dtype=np.float32)
    found = metrics(p, np.array([0, 0, 1]), np.array([1.0, 2.0, 1.0]), ("no", "yes"))
    assert found["accuracy"] == pytest.approx(2 / 4)
    assert found["recall.no"] == pytest.approx(1 / 3)
    assert found["precision.yes"] == pytest.approx(1 / 3)
    assert found["balanced_accuracy"] == pytest.approx((1 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((2 * 1 / (3 + 1) + 2 * 1 / (1 + 3)) / 2)
    assert found["loss"] == pytest.approx(-(math.log(0.9) + 2 * math.log(0.4) + math.log(0.8)) / 4, rel=1e-6)
    assert found["roc_auc.yes"] == 1
    assert found["average_precision.yes"] == 1
    assert found["ece"] == pytest.approx((0.1 + 2 * 0.6 + 0.2) / 4, rel=1e-6)


@given(samples, st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_order_does_not_matter(data, seed):
    p, y, w = data
    order = np.random.default_rng(seed).permutation(len(y))
    same(measured(p, y, w), measured(p[order], y[order], w[order]), atol=1e-9)


@given(samples, st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_weight_k_is_k_events(data, seed):
    p, y, _ = data
    times = np.random.default_rng(seed).integers(0, 4, size=len(y))
    times[0] = 1
    repeated = np.repeat(np.arange(len(y)), times)
    same(measured(p, y, times.astype(float)), measured(p[repeated], y[repeated], np.ones(times.sum())), atol=1e-9)


@given(samples, st.floats(1e-6, 1e6))
@settings(max_examples=30, deadline=None)
def test_scale_of_the_weights_does_not_matter(data, scale):
    p, y, w = data
    same(measured(p, y, w), measured(p, y, w * scale), atol=1e-9)


@given(samples)
@settings(max_examples=40, deadline=None)
def test_perfect_classifier(data):
    p, y, w = data
    found = measured(np.eye(p.shape[1], dtype=np.float32)[y], y, w)
    assert found["loss"] == found["ece"] == 0
    for name, value in found.items():
        if name not in {"loss", "ece"}:
            assert math.isnan(value) or value == pytest.approx(1), name


@given(samples)
@settings(max_examples=40, deadline=None)
def test_constant_classifier(data):
    p, y, w = data
    found = measured(np.full_like(p, 1 / p.shape[1]), y, w)
    classes = np.unique(y)
    for c in range(p.shape[1]):
        if c in classes and len(classes) > 1:
            assert found[f"roc_auc.c{c}"] == pytest.approx(0.5)
            assert found[f"average_precision.c{c}"] == pytest.approx(w[y == c].sum() / w.sum())
    assert found["loss"] == pytest.approx(math.log(p.shape[1]), rel=1e-6)


@given(samples)
@settings(max_examples=60, deadline=None)
def test_in_range_and_silent(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(*data)
    for name, value in found.items():
        assert type(value) is float
        if name != "loss":
            assert math.isnan(value) or -1e-9 <= value <= 1 + 1e-9, name


@pytest.mark.parametrize("weight_of_absent", [None, 0.0])
def test_absent_class(weight_of_absent):
    """A class without events, or only with events of no weight, is NaN and outside the averages."""
    p, y, w = sample(9, 80, 3)
    if weight_of_absent is None:
        p, y, w = p[y != 1], y[y != 1], w[y != 1]
    else:
        w = np.where(y == 1, weight_of_absent, w)
    found = metrics(p, y, w, ABC)
    for metric in ("recall", "precision", "average_precision", "roc_auc"):
        assert math.isnan(found[f"{metric}.b"])
    for macro, metric in (("balanced_accuracy", "recall"), ("roc_auc", "roc_auc"), ("average_precision",) * 2):
        assert found[macro] == pytest.approx((found[f"{metric}.a"] + found[f"{metric}.c"]) / 2)


def test_one_class_batch():
    found = metrics(np.array([[0.7, 0.3]], dtype=np.float32), np.array([0]), np.ones(1), ("a", "b"))
    assert math.isnan(found["roc_auc"])
    assert found["balanced_accuracy"] == found["average_precision"] == 1


def test_never_predicted_class_has_precision_zero():
    p = np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32)
    assert metrics(p, np.array([0, 1]), np.ones(2), ("a", "b"))["precision.b"] == 0


def test_certain_mistake_has_finite_loss():
    p = np.array([[1.0, 0.0]], dtype=np.float32)
    assert metrics(p, np.array([1]), np.ones(1), ("a", "b"))["loss"] == pytest.approx(-math.log(1e-12))


@pytest.mark.parametrize(
    ("n", "labels", "weight", "message"),
    [
        (0, [], [], "no events"),
        (1, [2], [1.0], "labels run"),
        (1, [-1], [1.0], "labels run"),
        (1, [0], [0.0], "sum to"),
    ],
)
def test_unusable_input(n, labels, weight, message):
    p = np.full((n, 2), 0.5, dtype=np.float32)
    with pytest.raises(ValueError, match=message):
        metrics(p, np.array(labels, dtype=np.int64), np.array(weight), ("a", "b"))


def test_confusion_matrices():
    p, y, w = sample(2, 200, 3)
    found = confusion_matrix(p, y, w)
    np.testing.assert_allclose(found, sk.confusion_matrix(y, p.argmax(axis=1), sample_weight=w), rtol=1e-12)
    efficiency, purity = normalise(found, "true"), normalise(found, "predicted")
    np.testing.assert_allclose(efficiency.sum(axis=1), 1)
    np.testing.assert_allclose(purity.sum(axis=0), 1)
    scores = metrics(p, y, w, ABC)
    np.testing.assert_allclose(efficiency.diagonal(), [scores[f"recall.{c}"] for c in ABC])
    np.testing.assert_allclose(purity.diagonal(), [scores[f"precision.{c}"] for c in ABC])


def test_confusion_of_an_empty_class_is_nan():
    found = normalise(np.array([[1.0, 1.0], [0.0, 0.0]]), "true")
    np.testing.assert_array_equal(found, [[0.5, 0.5], [math.nan, math.nan]])


def test_direction():
    for name in (
        "loss",
        "val/loss",
        "ece",
        "test.gibuu/ece",
        "train/total",
        "train/domain",
        "val.gap/roc_auc",
        "test.gap/roc_auc.a",
    ):
        assert not higher_is_better(name), name
    for name in (
        "val/accuracy",
        "val/recall.loss",
        "test/natural.accuracy",
        "train/events_per_second",
        "val/roc_auc.e",
        "val.gibuu/roc_auc",
    ):
        assert higher_is_better(name), name


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8, unique=True))
def test_names_are_safe_and_distinct(names):
    found = metric_names(names)
    assert len(set(found)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for name in found)


def test_plain_names_stay():
    assert metric_names(("T-shirt/top", "nue_CC", "7")) == ["T-shirt_top", "nue_CC", "7"]
