"""L2 of the last layer: what it adds to the gradient, in every step of every training."""

import pytest
import torch

from src.optimizers.lbfgs import LBFGS
from src.strategies.coteaching import Coteaching
from src.strategies.erm import ERM
from src.strategies.gce import GCE
from tests.strategies.fitting import blobs, ready, split_of, trainer_on

L2 = 0.05


def trained(folder, strategy, optimizer, *, l2, **options):
    """The model and its strategy, each network penalised by `l2`, after a training; and the weights at its start."""
    x, y = blobs(spread=2.0)
    trainer = trainer_on(folder, split_of(x, y), **options)
    trainer.make_optimizer, trainer.make_schedule = optimizer, lambda optimizer, steps: None
    trainer.clean = trainer.train
    task, model = ready(strategy, trainer)
    networks = [model, *([strategy.peer] if hasattr(strategy, "peer") else [])]
    for network in networks:
        network.l2 = l2
    start = [network.head.weight.detach().clone() for network in networks]
    strategy.fit(task, model, trainer)
    return networks, start


def test_the_gradient_is_twice_l2_times_the_weights_and_biases_have_none(tmp_path):
    _, model = ready(ERM(), trainer_on(tmp_path, split_of(*blobs())))
    assert model.penalty() is None
    model.l2 = L2
    model.penalty().backward()
    torch.testing.assert_close(model.head.weight.grad, 2 * L2 * model.head.weight.detach())
    assert model.head.bias.grad is None


@pytest.mark.parametrize("strategy", [ERM, GCE, lambda: Coteaching(forget=0.2)], ids=["erm", "gce", "coteaching"])
def test_a_step_of_sgd_shrinks_the_weights_of_every_network_by_it(tmp_path, strategy):
    def sgd(groups):
        return torch.optim.SGD(groups, lr=0.5)

    plain, start = trained(tmp_path, strategy(), sgd, l2=0.0, epochs=1, max_steps=1, select="last")
    penalised, same = trained(tmp_path, strategy(), sgd, l2=L2, epochs=1, max_steps=1, select="last")
    for a, b, w, again in zip(plain, penalised, start, same, strict=True):
        assert torch.equal(w, again)
        torch.testing.assert_close(a.head.weight - b.head.weight, 0.5 * 2 * L2 * w)
        assert torch.equal(a.head.bias, b.head.bias)


def test_it_is_coupled_weight_decay_in_the_steps_of_adam_and_of_fine_tuning(tmp_path):
    """torch's Adam adds weight_decay · w to the gradient before its moments; AdamW's decoupled decay is something else."""

    def coupled(groups):
        weight, bias = groups[0]["params"]
        return torch.optim.Adam([{"params": [weight], "weight_decay": 2 * L2}, {"params": [bias]}], lr=0.05)

    def adam(groups):
        return torch.optim.Adam(groups, lr=0.05)

    options = {"epochs": 3, "batch_size": 32, "select": "last", "finetune_steps": 4}
    (a,), _ = trained(tmp_path, ERM(), adam, l2=L2, **options)
    (b,), _ = trained(tmp_path, ERM(), coupled, l2=0.0, **options)
    (c,), _ = trained(tmp_path, ERM(), adam, l2=0.0, **options)
    torch.testing.assert_close(a.head.weight, b.head.weight, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(a.head.weight, c.head.weight, rtol=1e-2)


def test_it_counts_once_where_the_examples_of_one_step_come_in_chunks(tmp_path, monkeypatch):
    """L-BFGS minimises ½ · weight_decay · Σ w² itself: the same optimum."""
    monkeypatch.setattr("src.training.FULL_BATCH", 50)
    (a,), _ = trained(tmp_path, ERM(), lambda groups: LBFGS(groups, weight_decay=0.0), l2=L2, epochs=1)
    (b,), _ = trained(tmp_path, ERM(), lambda groups: LBFGS(groups, weight_decay=2 * L2), l2=0.0, epochs=1)
    torch.testing.assert_close(a.head.weight, b.head.weight, rtol=1e-3, atol=1e-4)
    assert a.head.weight.detach().norm() > 0.1
