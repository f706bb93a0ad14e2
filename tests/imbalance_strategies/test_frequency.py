import numpy as np
import pytest

from src.errors import UserError
from src.imbalance_strategies.frequency import Frequency
from src.seeding import numpy_stream

LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [900, 90, 10]))


def drawn(labels=LABELS, classes=3, seed=0, **options):
    strategy = Frequency(**options)
    strategy.setup(labels, classes)
    return strategy.order(np.random.default_rng(seed))


def test_the_repeat_factors_are_lviss():
    r = np.maximum(1, np.sqrt(0.1 / np.array([0.9, 0.09, 0.01])))
    np.testing.assert_array_equal(np.bincount(LABELS[drawn(threshold=0.1)]), np.rint(r * [900, 90, 10]))
    assert r.round(3).tolist() == [1, 1.054, 3.162]


def test_power_one_lifts_every_class_to_the_threshold_and_null_means_an_even_share():
    assert np.bincount(LABELS[drawn(threshold=0.1, power=1.0)]).tolist() == [900, 100, 100]
    assert np.bincount(LABELS[drawn()]).tolist() == [
        900,
        round(90 * (1 / 3 / 0.09) ** 0.5),
        round(10 * (1 / 3 / 0.01) ** 0.5),
    ]


def test_stated_factors_repeat_whole_and_draw_the_rest_anew():
    """The NuGraph study's sampler: every event once, and every tau neutrino's about 7 times."""
    first, second = (np.bincount(drawn(factors=[1.0, 1.0, 7.5], seed=seed), minlength=1000) for seed in (0, 1))
    assert (first[LABELS != 2] == 1).all()
    assert sorted(set(first[LABELS == 2])) == [7, 8]
    assert first[LABELS == 2].sum() == 75
    assert not np.array_equal(first, second)


def test_the_nugraph_studys_epoch():
    """nue, numu and NC exactly once, tau seven times; another order each epoch, the same for the same seed and epoch."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [230, 230, 40, 500]))
    strategy = Frequency(factors=[1, 1, 7, 1])
    strategy.setup(labels, 4)
    epochs = [strategy.order(numpy_stream(0, "batches", epoch)) for epoch in (1, 2, 1)]
    for order in epochs:
        assert np.array_equal(np.bincount(order), np.where(labels == 2, 7, 1))
    assert np.array_equal(epochs[0], epochs[2])
    assert not np.array_equal(epochs[0], epochs[1])


def test_wrong_options_are_sentences():
    with pytest.raises(ValueError, match="threshold or factors, not both"):
        Frequency(threshold=0.1, factors=[1.0])
    with pytest.raises(UserError, match="2 factors for 3 classes"):
        drawn(factors=[1.0, 2.0])
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Frequency(factors=[0.5, 1.0, 1.0])
