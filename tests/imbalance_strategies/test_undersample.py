import numpy as np
import pytest

from src.imbalance_strategies.members import Members
from src.imbalance_strategies.undersample import Undersample, undersampled

LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [900, 90, 10]))


def orders(**options):
    strategy = Undersample(**options)
    strategy.setup(LABELS, 3)
    return strategy.order(np.random.default_rng(0)), strategy.order(np.random.default_rng(1))


def test_undersampling_takes_the_rarest_count_of_each_without_replacement_and_anew():
    first, second = orders()
    assert np.bincount(LABELS[first]).tolist() == [10, 10, 10]
    assert len(set(first)) == 30
    assert set(first) != set(second)


def test_without_redrawing_the_same_part_comes_in_another_order():
    first, second = orders(redraw=False)
    assert set(first) == set(second)
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("redraw", [True, False])
def test_an_epoch_of_several_draws_is_one_part_after_the_other(redraw):
    order, _ = orders(draws=3, redraw=redraw)
    parts = order.reshape(3, 30)
    for part in parts:
        assert np.bincount(LABELS[part]).tolist() == [10, 10, 10]
        assert len(set(part)) == 30
    assert (set(parts[0]) == set(parts[1])) != redraw
    assert np.array_equal(parts[0], orders(redraw=redraw)[0])


@pytest.mark.parametrize("counts", [[900, 90, 10], [10, 90, 900], [20, 20, 5, 20]])
def test_the_indices_are_imbalanced_learns(counts):
    sampling = pytest.importorskip("imblearn.under_sampling")
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    oracle = sampling.RandomUnderSampler(random_state=7)
    oracle.fit_resample(np.arange(len(labels))[:, None], labels)
    assert np.array_equal(undersampled(Members(labels), np.random.RandomState(7)), oracle.sample_indices_)
