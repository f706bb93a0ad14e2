import numpy as np
import pytest

from src.imbalance_strategies.members import Members
from src.imbalance_strategies.oversample import Oversample, duplicated

LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [900, 90, 10]))


def order(seed=0, **options):
    strategy = Oversample(**options)
    strategy.setup(LABELS, 3)
    return strategy.order(np.random.default_rng(seed))


def test_every_class_and_every_member_of_it_is_equally_likely():
    drawn = order(num_samples=90_000)
    assert np.allclose(np.bincount(LABELS[drawn]) / 90_000, 1 / 3, atol=0.01)
    rare = np.bincount(drawn, minlength=len(LABELS))[LABELS == 2]
    assert np.abs(rare / 3000 - 1).max() < 0.1  # 5 standard errors


def test_an_epoch_is_as_long_as_the_training_split_unless_told():
    assert len(order()) == 1000
    assert len(order(batches="exact")) == 1002  # whole rounds of three


@pytest.mark.parametrize("size", [3, 48, 300])
def test_exact_batches_hold_all_classes_alike(size):
    drawn = LABELS[order(batches="exact")]
    for batch in np.split(drawn, range(size, len(drawn), size)):
        assert np.bincount(batch, minlength=3).tolist() == [len(batch) // 3] * 3
    assert len({tuple(turn) for turn in drawn.reshape(-1, 3)}) == 6  # in no fixed sequence


def test_exact_batches_repeat_no_example_before_all_of_its_class_were_drawn():
    drawn = order(batches="exact")
    for c, members in ((0, 900), (1, 90), (2, 10)):
        mine = drawn[LABELS[drawn] == c]
        for start in range(0, len(mine), members):
            turn = mine[start : start + members]
            assert len(set(turn)) == len(turn)
    rare = drawn[LABELS[drawn] == 2]
    assert rare[:10].tolist() != rare[10:20].tolist()


def test_duplicates_are_imbalanced_learns_indices():
    sampling = pytest.importorskip("imblearn.over_sampling")
    oracle = sampling.RandomOverSampler(random_state=7)
    oracle.fit_resample(np.arange(1000)[:, None], LABELS)
    assert np.array_equal(duplicated(Members(LABELS), np.random.RandomState(7)), oracle.sample_indices_)


def test_duplicates_hold_every_example_and_all_classes_alike():
    drawn = order(batches="duplicates")
    assert set(drawn) == set(range(1000))
    assert np.bincount(LABELS[drawn]).tolist() == [900, 900, 900]
    with pytest.raises(ValueError, match="num_samples is not for batches=duplicates"):
        Oversample(batches="duplicates", num_samples=10)
