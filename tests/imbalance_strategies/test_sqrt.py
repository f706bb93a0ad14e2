import numpy as np

from src.imbalance_strategies.sqrt import SquareRoot


def test_a_class_a_hundred_times_as_frequent_is_drawn_ten_times_as_often():
    labels = np.repeat([0, 2], [10_000, 100])
    strategy = SquareRoot(num_samples=110_000)
    strategy.setup(labels, 3)
    drawn = strategy.order(np.random.default_rng(0))
    counts = np.bincount(labels[drawn], minlength=3)
    assert abs(counts[2] - 10_000) < 500  # 5 standard errors
    assert counts[1] == 0
    prior = strategy.effective_prior()
    np.testing.assert_allclose(prior / prior.sum(), [10 / 11, 0, 1 / 11])
