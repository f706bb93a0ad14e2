"""The rows of `make bench` about corrected losses can be made."""

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from src.strategies.backward import Backward
from src.strategies.forward import Forward
from tests.bench.bench_label_noise import BATCH, TASK, lenet, pictures
from tests.bench.bench_training import epoch_of


@pytest.mark.parametrize("strategy", [Forward, Backward])
def test_an_epoch_of_a_corrected_loss_that_is_timed_is_a_training(strategy):
    model = lenet()
    before = parameters_to_vector(model.parameters()).detach().clone()
    epoch_of(strategy(), pictures(BATCH), None, lambda: model, TASK)()
    after = parameters_to_vector(model.parameters()).detach()
    assert after.isfinite().all()
    assert not torch.equal(after, before)
