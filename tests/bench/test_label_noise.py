"""The rows of `make bench` about corrected losses can be made."""

import pytest

from src.strategies.backward import Backward
from src.strategies.forward import Forward
from tests.bench.bench_label_noise import BATCH, TASK, lenet, pictures
from tests.bench.bench_training import epoch_of


@pytest.mark.parametrize("strategy", [Forward, Backward])
def test_an_epoch_of_a_corrected_loss_can_be_timed(strategy):
    epoch_of(strategy(), pictures(BATCH), None, lenet, TASK)()
