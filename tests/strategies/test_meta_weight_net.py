"""Meta-Weight-Net: its gradient against the paper's own double backward pass."""

import pytest
import torch
from torch.func import functional_call

from src import checkpoint
from src.seeding import seed_torch
from src.strategies.base import negative_log_likelihood
from src.strategies.meta_weight_net import MetaWeightNet
from src.task import Batch
from tests.strategies.test_reweight import batch, made, task


def ready(model, **options):
    seed_torch(1, "model")
    strategy = MetaWeightNet(**options)
    strategy.setup(task(), model, negative_log_likelihood)
    return strategy.double()


@pytest.mark.parametrize("name", ["lenet", "batch norm", "recurrent", "no forward mode"])
@pytest.mark.parametrize("normalise", ["batch_size", "weight_sum"])
def test_the_network_steps_along_the_clean_losss_gradient_after_a_virtual_step_and_then_gives_the_weights(
    normalise, name
):
    model, source, clean = made(name), batch(16, 1), batch(6, 2)
    strategy = ready(model, normalise=normalise, step=0.3)
    strategy.optimizer = torch.optim.SGD(strategy.net.parameters(), 1.0)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    now = dict(model.named_parameters())
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    losses = negative_log_likelihood(functional_call(model, {**now, **buffers}, (source.x,)).log_softmax(1), source.y)

    def weighted():
        value = strategy.net(losses.detach()[:, None]).squeeze(1)
        return (value * losses).sum() / (value.sum() if normalise == "weight_sum" else len(value))

    step = torch.autograd.grad(weighted(), [*now.values()], create_graph=True)
    virtual = {name: p - 0.3 * g for (name, p), g in zip(now.items(), step, strict=True)}
    after = functional_call(model, {**virtual, **buffers}, (clean.x,)).log_softmax(dim=1)
    before = [p.detach().clone() for p in strategy.net.parameters()]
    expected = torch.autograd.grad(negative_log_likelihood(after, clean.y).mean(), [*strategy.net.parameters()])

    found = strategy.loss(model, source, None, clean, 0.0)
    found["total"].backward()
    for p, old, gradient in zip(strategy.net.parameters(), before, expected, strict=True):
        torch.testing.assert_close(old - p.detach(), gradient, rtol=1e-9, atol=1e-12)
    by_new_weights = weighted()
    torch.testing.assert_close(found["total"], by_new_weights)
    for p, gradient in zip(now.values(), torch.autograd.grad(by_new_weights, [*now.values()]), strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-10, atol=1e-14)


def test_large_losses_lose_weight_where_they_come_from_wrong_labels():
    """A linear problem with 40 % wrong labels: the network learns to trust small losses."""
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(400, 1, 12, 12, dtype=torch.float64)  # three pixels say it all, too few to memorise
    x[:, 0, 0, :3] = torch.randn(400, 3, generator=generator, dtype=torch.float64)
    y = (x.flatten(1)[:, 0] > 0).long()
    wrong = torch.rand(400, generator=generator) < 0.4
    noisy = torch.where(wrong, 1 - y, y)
    model = made("mlr")
    strategy = ready(model, step=1.0, normalise="weight_sum", lr=0.01)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    zeros, ones = torch.zeros_like(y), torch.ones(400)
    source = Batch(x[:120], noisy[:120], zeros[:120], ones[:120], torch.arange(120))
    clean = Batch(x[200:], y[200:], zeros[200:], ones[200:], torch.arange(200))
    for _ in range(50):
        optimizer.zero_grad()
        strategy.loss(model, source, None, clean, 0.0)["total"].backward()
        optimizer.step()
    low, high = strategy.weigh(torch.tensor([0.05, 3.0], dtype=torch.float64))
    assert high < 0.5 * low
    given = strategy.given[:120]
    assert given[wrong[:120]].mean() < given[~wrong[:120]].mean()


def steps_of(strategy, model, optimizer, count):
    for _ in range(count):
        optimizer.zero_grad()
        strategy.loss(model, batch(16, 1), None, batch(6, 2), 0.0)["total"].backward()
        optimizer.step()


def test_the_networks_steps_are_adams_whatever_the_models_optimizer():
    """A first step of Adam is its rate long in every weight that has a gradient: those of the model are a thousandth of it."""
    model = made("mlr")
    strategy = ready(model, weight_decay=0.0, lr=0.01)
    before = [p.detach().clone() for p in strategy.net.parameters()]
    steps_of(strategy, model, torch.optim.SGD(strategy.parameter_groups(model), 1e-5), 1)
    moved = torch.cat(
        [(p - old).detach().abs().flatten() for p, old in zip(strategy.net.parameters(), before, strict=True)]
    )
    assert moved.max() == pytest.approx(0.01, rel=1e-3)
    assert all(p.grad is None for p in strategy.net.parameters())


def test_a_restored_network_goes_on_as_if_it_had_never_stopped(tmp_path):
    model = made("mlr")
    strategy, optimizer = ready(model), torch.optim.SGD(model.parameters(), 0.1)
    steps_of(strategy, model, optimizer, 2)
    checkpoint.save(tmp_path / "last.pt", {"model": model.state_dict(), "strategy": strategy.state_dict()})
    other = made("mlr")
    again, saved = ready(other), checkpoint.load(tmp_path / "last.pt")
    other.load_state_dict(saved["model"])
    again.load_state_dict(saved["strategy"])
    for one, net in ((strategy, model), (again, other)):
        steps_of(one, net, torch.optim.SGD(net.parameters(), 0.1), 2)
    for found, expected in zip(again.net.parameters(), strategy.net.parameters(), strict=True):
        assert torch.equal(found, expected)
