"""The clean set alone."""

import torch

from src.strategies.base import negative_log_likelihood
from src.strategies.clean_only import CleanOnly
from tests.strategies.test_reweight import batch, made, task


def test_the_training_batch_is_not_read():
    model, clean = made("mlr"), batch(10, 2)
    strategy = CleanOnly()
    strategy.setup(task(), model, negative_log_likelihood)
    a, b = (strategy.loss(model, batch(16, seed), None, clean, 0.0)["total"] for seed in (1, 5))
    assert torch.equal(a, b)
    torch.testing.assert_close(a, negative_log_likelihood(model(clean.x).log_softmax(dim=1), clean.y).mean())
