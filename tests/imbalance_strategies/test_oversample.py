import numpy as np

from src.imbalance_strategies.oversample import Oversample

LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [900, 90, 10]))


def test_every_class_and_every_member_of_it_is_equally_likely():
    strategy = Oversample(num_samples=90_000)
    strategy.setup(LABELS, 3)
    drawn = strategy.order(np.random.default_rng(0))
    assert np.allclose(np.bincount(LABELS[drawn]) / 90_000, 1 / 3, atol=0.01)
    rare = np.bincount(drawn, minlength=len(LABELS))[LABELS == 2]
    assert np.abs(rare / 3000 - 1).max() < 0.1  # 5 standard errors


def test_an_epoch_is_as_long_as_the_training_split_unless_told():
    strategy = Oversample()
    strategy.setup(LABELS, 3)
    assert len(strategy.order(np.random.default_rng(0))) == 1000
