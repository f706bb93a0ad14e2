import numpy as np

from src.imbalance_strategies.undersample import Undersample

LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [900, 90, 10]))


def test_undersampling_takes_the_rarest_count_of_each_without_replacement_and_anew():
    strategy = Undersample()
    strategy.setup(LABELS, 3)
    first, second = strategy.order(np.random.default_rng(0)), strategy.order(np.random.default_rng(1))
    assert np.bincount(LABELS[first]).tolist() == [10, 10, 10]
    assert len(set(first)) == 30
    assert set(first) != set(second)
