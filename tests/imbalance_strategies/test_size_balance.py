"""Batches of like size, as the reference's BalanceSampler deals them, and with classes repeated before."""

from pathlib import Path

import numpy as np
import pytest

from src.datasets.inputs import ArrayInputs
from src.errors import UserError
from src.imbalance_strategies.combined import Combined
from src.imbalance_strategies.size_balance import SizeBalance, dealt
from src.seeding import numpy_stream
from src.strategies.erm import ERM
from src.task import Split
from tests.strategies.fitting import trainer_on

GOLDEN = np.load(Path(__file__).parents[1] / "reference" / "nugraph" / "golden_units.npz")
STUDY = np.repeat([0, 1, 2, 3], [230, 230, 40, 500])  # nue, numu, nutau, NC
SIZES = np.random.default_rng(0).lognormal(6, 1, 1000).astype(np.int64)


def split(labels=STUDY, sizes=SIZES, rows=None):
    inputs = ArrayInputs(np.zeros((len(SIZES), 1), dtype=np.float32))
    inputs.sizes = sizes
    n = len(labels)
    rows = np.arange(n) if rows is None else rows
    return Split(inputs, rows, labels, labels, np.zeros(n, dtype=np.int64), np.ones(n), np.ones(n, dtype=bool))


def met(train, batch_size=32, **options):
    strategy = SizeBalance(**options)
    strategy.setup(train.labels, 4)
    strategy.meet(train, batch_size)
    return strategy


class Legacy:
    """numpy's old random state, which the reference uses, with the interface of the new one."""

    def __init__(self, seed):
        self.permutation = np.random.RandomState(seed).permutation

    def permuted(self, rows, axis):
        assert axis == 1
        return np.stack([self.permutation(row) for row in rows])


@pytest.mark.parametrize(("batch_size", "fraction"), [(5, 0.1), (4, 0.25)])
def test_it_is_the_reference_to_the_index(batch_size, fraction):
    order = dealt(GOLDEN["bal/datasize"], batch_size, fraction, Legacy(42))
    assert np.array_equal(order, GOLDEN[f"bal/bs{batch_size}_f{fraction}"])


def test_every_batch_is_full_has_its_share_of_the_largest_and_no_example_twice():
    order = met(split()).order(np.random.default_rng(0))
    batches = order.reshape(31, 32)
    assert len(np.unique(order)) == 31 * 32
    largest = np.argsort(SIZES, kind="stable")[-100:]
    assert set(np.isin(batches, largest).sum(axis=1)) == {3, 4}
    shuffled = np.random.default_rng(0).permutation(1000)[: 31 * 32].reshape(31, 32)
    assert SIZES[batches].sum(axis=1).std() < 0.7 * SIZES[shuffled].sum(axis=1).std()


def test_places_in_a_batch_are_mixed():
    """Batch normalisation aside, nothing may depend on where the largest stand."""
    largest = np.argsort(SIZES, kind="stable")[-100:]
    orders = [met(split()).order(np.random.default_rng(seed)).reshape(31, 32) for seed in range(30)]
    where = np.concatenate([np.nonzero(np.isin(order, largest))[1] for order in orders])
    assert abs(where.mean() - 15.5) < 4 * np.sqrt((32**2 - 1) / 12 / len(where))


def test_those_left_out_are_others_each_time_and_never_the_largest():
    strategy = met(split())
    left = [set(range(1000)) - set(strategy.order(np.random.default_rng(seed))) for seed in (0, 1)]
    assert [len(out) for out in left] == [8, 8]
    assert left[0] != left[1]
    assert not set.union(*left) & set(np.argsort(SIZES, kind="stable")[-100:])


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_the_ends_of_fraction_are_a_shuffle_and_all_dealt_alike(fraction):
    order = met(split(), fraction=fraction).order(np.random.default_rng(0))
    assert len(np.unique(order)) == 31 * 32


def test_too_few_for_a_batch_are_one_batch():
    assert sorted(met(split(STUDY[:20]), batch_size=32).order(np.random.default_rng(0))) == [*range(20)]


def test_repeats_come_before_dealing():
    """The study's mix: of 230 + 230 + 7 · 40 + 500 = 1,240 draws, 38 batches of 32; 24 are left out."""
    strategy = met(split(), factors=[1, 1, 7, 1])
    order = strategy.order(np.random.default_rng(0))
    times = np.bincount(order, minlength=1000)
    assert len(order) == 38 * 32
    assert times[STUDY != 2].max() == 1
    assert times[STUDY == 2].max() == 7
    assert (7 - times[STUDY == 2]).sum() + (1 - times[STUDY != 2]).sum() == 24
    assert strategy.balances
    np.testing.assert_allclose(strategy.effective_prior(), np.array([230, 230, 280, 500]) / 1240)
    repeated = np.repeat(SIZES, np.where(STUDY == 2, 7, 1))
    threshold = np.sort(repeated)[-124]
    assert np.ptp((SIZES[order.reshape(38, 32)] > threshold).sum(axis=1)) <= 1


def test_an_epoch_follows_seed_and_number():
    strategy = met(split(), factors=[1, 1, 7, 1])
    first, again, next_epoch, other_seed = (
        strategy.order(numpy_stream(seed, "batches", epoch)) for seed, epoch in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, next_epoch)
    assert not np.array_equal(first, other_seed)


def test_sizes_are_those_of_the_examples_it_was_shown_last():
    """A strategy that trains on some of the examples, or on some twice, shows them anew."""
    strategy = met(split())
    rows = np.random.default_rng(0).integers(0, 1000, 200)
    strategy.setup(STUDY[rows], 4)
    strategy.meet(split(STUDY[rows], rows=rows), 8)
    batches = strategy.order(np.random.default_rng(0)).reshape(25, 8)
    assert batches.max() < 200
    largest = np.argsort(SIZES[rows], kind="stable")[-20:]
    assert set(np.isin(batches, largest).sum(axis=1)) == {0, 1}


def test_a_trainers_steps_are_these_batches_and_of_some_examples_those_of_their_sizes(tmp_path):
    trainer = trainer_on(tmp_path, split(), classes=4, balance=SizeBalance(), batch_size=32)
    assert trainer.steps_per_epoch == 31
    largest = np.argsort(SIZES, kind="stable")[-100:]
    assert [np.isin(batch.index, largest).sum() for batch, _, _ in trainer._batches(1, ERM())] == [4] * 7 + [3] * 24
    some = np.flatnonzero(STUDY == 3)
    largest = np.argsort(SIZES[some], kind="stable")[-50:]
    other = trainer.on(some, "part")
    trainer.restrict(some)
    for part in (trainer, other):
        assert [np.isin(batch.index, largest).sum() for batch, _, _ in part._batches(1, ERM())] == [4] * 5 + [3] * 10


def test_it_goes_with_weights_in_combined():
    both = Combined(sampler="size_balance", loss="class_weights", sampler_options={"fraction": 0.2})
    assert both.by_size
    both.setup(STUDY, 4)
    both.meet(split(), 32)
    order = both.order(np.random.default_rng(0))
    assert np.array_equal(order, met(split(), fraction=0.2).order(np.random.default_rng(0)))


def test_mistakes_are_sentences():
    with pytest.raises(UserError, match="size_balance balances graphs' sizes, and all vectors of this dataset"):
        met(Split(ArrayInputs(np.zeros((4, 1), dtype=np.float32)), *(np.arange(4),) * 6))
    with pytest.raises(UserError, match="2 factors for 4 classes"):
        met(split(), factors=[1.0, 2.0])
    with pytest.raises(ValueError, match="less than or equal to 1"):
        SizeBalance(fraction=1.5)
