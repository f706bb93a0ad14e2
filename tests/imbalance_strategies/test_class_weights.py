import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from src.imbalance_strategies.class_weights import ClassWeights

LABELS = np.repeat([0, 1], [906, 14979])


def made(labels=LABELS, **options):
    strategy = ClassWeights(**options)
    strategy.setup(labels, int(labels.max()) + 1)
    return strategy


def test_weights_equal_scikit_learns_and_average_to_one_over_the_examples():
    weights = made().weights.double()
    oracle = compute_class_weight("balanced", classes=np.array([0, 1]), y=LABELS)
    assert np.array_equal(made().weights_for(np.bincount(LABELS)), oracle)
    torch.testing.assert_close(weights, torch.from_numpy(oracle), rtol=1e-6, atol=0)  # kept in float32
    assert weights[LABELS].mean().item() == pytest.approx(1, abs=1e-6)
    assert [round(w, 3) for w in weights.tolist()] == [8.767, 0.530]  # the emulsion study's


@given(st.lists(st.integers(1, 500), min_size=2, max_size=12).map(np.array))
def test_weights_of_any_counts_are_scikit_learns_to_the_bit(counts):
    classes = np.arange(len(counts))
    oracle = compute_class_weight("balanced", classes=classes, y=np.repeat(classes, counts))
    assert np.array_equal(ClassWeights().weights_for(counts), oracle)


def test_the_two_normalisations_differ_and_each_is_torchs():
    log_probs, y = torch.randn(8, 2).log_softmax(1), torch.tensor([0, 0, 1, 1, 1, 1, 1, 1])
    weights = made().weights
    by_sum = torch.nn.functional.nll_loss(log_probs, y, weight=weights)
    by_size = torch.nn.functional.nll_loss(log_probs, y, weight=weights, reduction="sum") / 8
    torch.testing.assert_close(made(normalise="batch_weight_sum").criterion(log_probs, y).mean(), by_sum)
    torch.testing.assert_close(made(normalise="batch_size").criterion(log_probs, y).mean(), by_size)
    assert abs(by_sum - by_size) > 0.1


def test_an_absent_class_weighs_nothing():
    strategy = ClassWeights()
    with pytest.warns(UserWarning, match=r"no training example of class \[1\]"):
        strategy.setup(np.array([0, 0, 2]), 3)
    assert strategy.weights[1] == 0
    assert torch.isfinite(strategy.weights).all()
