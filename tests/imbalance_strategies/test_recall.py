import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score

from src.imbalance_strategies.recall import Recall
from tests.test_training import Interrupted, only_run, same, weights

LABELS = np.repeat([0, 1, 2, 3], [5, 3, 2, 4])


def made(**options):
    strategy = Recall(**options)
    strategy.setup(LABELS, 4)
    return strategy


def batch(n=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator).log_softmax(1), torch.randint(0, 3, (n,), generator=generator)


def test_without_smoothing_the_weight_is_one_minus_scikit_learns_recall():
    p, y = batch()
    recall = recall_score(y.numpy(), p.argmax(1).numpy(), average=None, labels=[0, 1, 2])
    weight = made(smoothing=0.0).criterion(p, y) / -p.gather(1, y[:, None]).squeeze(1)
    np.testing.assert_allclose(weight.numpy(), (1 - recall)[y.numpy()], rtol=1e-5)


def test_no_gradient_flows_through_the_weights():
    z, y = torch.randn(30, 4, requires_grad=True), torch.arange(30) % 4
    strategy = made()
    strategy.criterion(z.log_softmax(1), y).mean().backward()
    weight = strategy.pending[y]
    by_hand = weight[:, None] * (z.softmax(1) - torch.eye(4)[y]) / 30
    torch.testing.assert_close(z.grad, by_hand.detach())


def test_a_batch_that_is_all_right_teaches_with_smoothing_only():
    y = torch.arange(8) % 4
    p = (torch.eye(4)[y] * 0.1).log_softmax(1)  # right, but barely
    assert made(smoothing=0.0).criterion(p, y).sum() == 0
    assert (made(smoothing=1.0).criterion(p, y) > 0).all()


def test_the_average_keeps_its_share_and_absent_classes_keep_their_weight():
    strategy, (p, y) = made(ema=0.75), batch()
    now = made().criterion(p, y) / -p.gather(1, y[:, None]).squeeze(1)
    strategy.criterion(p, y)
    strategy.criterion(p, y)  # asked twice in one step: counted once
    strategy.at(0.1)
    torch.testing.assert_close(strategy.weights[y], 0.75 + 0.25 * now)
    assert strategy.weights[3] == 1


RUN = ["dataset=digits", "model=mlr", "optimizer=sgd", "schedule=onecycle", "trainer.epochs=4", "trainer.select=last", "figures=false",
       "imbalance_strategy=recall", "imbalance_strategy.ema=0.9"]  # fmt: skip


def test_a_resumed_run_remembers_the_average(train, tmp_path):
    def interrupt(epoch, metrics):
        if epoch == 2:
            raise Interrupted

    train(*RUN, f"runs_root={tmp_path / 'whole'}")
    with pytest.raises(Interrupted):
        train(*RUN, f"runs_root={tmp_path / 'broken'}", on_epoch=interrupt)
    train(*RUN, f"runs_root={tmp_path / 'broken'}", "trainer.resume=true")
    whole, broken = (weights(only_run(tmp_path / name)) for name in ("whole", "broken"))
    assert same(whole, broken)
