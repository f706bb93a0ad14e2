"""Random weights: a rectified Gaussian that sums to 1."""

import pytest
import torch

from src.strategies.base import negative_log_likelihood
from src.strategies.random_weights import RandomWeights
from tests.strategies.test_reweight import batch, made, task


def test_weights_are_a_rectified_gaussian_scaled_to_one():
    model, source = made("mlr"), batch(100, 1)
    strategy = RandomWeights()
    strategy.setup(task(), model, negative_log_likelihood)
    torch.manual_seed(3)
    found = strategy.loss(model, source, None, None, 0.0)["total"]
    torch.manual_seed(3)
    drawn = torch.randn(100, dtype=torch.float64).clamp_min(0)
    losses = negative_log_likelihood(model(source.x).log_softmax(dim=1), source.y)
    torch.testing.assert_close(found, (drawn * losses).sum() / drawn.sum())
    assert 0.35 < float((strategy.given[:100] == 0).float().mean()) < 0.65
    assert float(strategy.given.sum()) == pytest.approx(1)
