import numpy as np
import pytest
import torch
from torch.nn import functional as F

from src.imbalance_strategies.effective_number import effective_number_weights
from src.imbalance_strategies.ldam import LDAM
from src.runs import history
from tests.test_training import only_run

COUNTS = np.array([5000, 500, 50])
LABELS = np.repeat([0, 1, 2], COUNTS)
MARGINS = torch.tensor([0.1581, 0.2812, 0.5], dtype=torch.float64)


def made(labels=LABELS, **options):
    strategy = LDAM(**options)
    strategy.setup(labels, 3)
    return strategy


def test_the_papers_margins():
    np.testing.assert_allclose(made().margins.numpy() / 30, MARGINS, atol=5e-5)
    assert made(np.repeat([0, 2], 5)).margins.tolist() == [15, 0, 15]


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_from_log_probabilities_it_is_the_formula_on_cosines(scale):
    cosines, y = torch.rand(40, 3, dtype=torch.float64) * 2 - 1, torch.arange(40) % 3
    margins = 0.5 * torch.from_numpy(COUNTS**-0.25 / 50**-0.25)
    shifted = torch.where(F.one_hot(y, 3).bool(), cosines - margins, cosines)
    formula = F.cross_entropy(scale * shifted, y, reduction="none")
    ours = made(scale=scale).criterion((scale * cosines).log_softmax(1), y)
    torch.testing.assert_close(ours, formula, rtol=1e-5, atol=1e-6)


def test_deferred_weights_start_when_told():
    p, y = torch.randn(30, 3).log_softmax(1), torch.arange(30) % 3
    strategy, plain = made(drw_start=0.8), made().criterion(p, y)
    for progress, weights in ((0.0, np.ones(3)), (0.79, np.ones(3)), (0.8, effective_number_weights(COUNTS, 0.9999))):
        strategy.at(progress)
        torch.testing.assert_close(strategy.criterion(p, y), torch.from_numpy(weights).float()[y] * plain)
        prior = strategy.effective_prior()
        np.testing.assert_allclose(prior, COUNTS / 5550 * weights, rtol=1e-6)


def test_only_with_deferred_weights_does_it_change_the_class_mix():
    assert not LDAM().balances
    assert LDAM(drw_start=0.8).balances


def test_it_trains_with_a_cosine_head_and_deferred_weights(train, tmp_path):
    train(
        "dataset=digits", "dataset.imbalance_ratio=20", "model=lenet", "model.head=cosine", "imbalance_strategy=ldam",
        "imbalance_strategy.drw_start=0.5", "trainer.epochs=4", "figures=false", "optimizer.lr=0.003",
    )  # fmt: skip
    losses = [line["metrics"]["train/total"] for line in history(only_run(tmp_path / "runs_root"))]
    assert losses[1] < losses[0]
    assert losses[3] < losses[2]
