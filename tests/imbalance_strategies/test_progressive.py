import numpy as np
import pytest

from src.imbalance_strategies.progressive import Progressive
from tests.test_training import only_run

LABELS = np.repeat([0, 1], [900, 100])


@pytest.mark.parametrize(("progress", "rare"), [(0.0, 0.1), (0.5, 0.3), (1.0, 0.5)])
def test_the_mix_goes_in_a_straight_line_from_the_datas_to_an_even_one(progress, rare):
    strategy = Progressive(num_samples=100_000)
    strategy.setup(LABELS, 2)
    strategy.at(progress)
    drawn = strategy.order(np.random.default_rng(0))
    assert LABELS[drawn].mean() == pytest.approx(rare, abs=0.01)
    np.testing.assert_allclose(strategy.effective_prior(), [1 - rare, rare])


def test_the_effective_prior_is_that_of_the_epoch_drawn_last():
    strategy = Progressive()
    strategy.setup(LABELS, 2)
    strategy.at(0.5)
    strategy.order(np.random.default_rng(0))
    strategy.at(0.9)  # a step within that epoch
    np.testing.assert_allclose(strategy.effective_prior(), [0.7, 0.3])


def test_the_trainer_tells_the_progress_before_every_epoch_and_step(train, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(
        Progressive, "at", lambda self, progress: told.append(progress) or setattr(self, "progress", progress)
    )
    train(
        "dataset=digits", "model=mlr", "optimizer=sgd", "trainer.epochs=4", "trainer.batch_size=600", "figures=false",
        "imbalance_strategy=progressive",
    )  # fmt: skip
    starts = [told.index(t) for t in (0.25, 0.5, 0.75)]
    assert told[0] == 0  # setup
    steps = [t for t in sorted(set(told)) if t < 0.25]
    assert told == sorted(told)
    assert all(told[start] == told[start + 1] for start in starts)  # for the epoch's order and for its first step
    assert len(steps) == len(told[2 : starts[0]])
    assert only_run(tmp_path / "runs_root")
