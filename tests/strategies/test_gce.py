import pytest
import torch
from torch.nn import functional as F

from src.strategies.gce import GCE, power_loss
from src.task import Batch
from tests.strategies.linear import TASK, X, Y, criterion, loss, model_of


def ready(weighted=criterion, **options):
    strategy = GCE(**options)
    strategy.setup(TASK, model_of(), weighted)
    return strategy


def test_its_limits_are_cross_entropy_and_half_the_mean_absolute_error():
    model = model_of()
    logits = model(X)
    torch.testing.assert_close(loss(ready(q=1e-9), model), F.cross_entropy(logits, Y), rtol=1e-7, atol=0)
    absolute = (logits.softmax(dim=1) - F.one_hot(Y, 3)).abs().sum(dim=1).mean()
    torch.testing.assert_close(loss(ready(q=1.0), model), absolute / 2)
    p = logits.softmax(dim=1).gather(1, Y[:, None])
    torch.testing.assert_close(loss(ready(), model), ((1 - p**0.7) / 0.7).mean())


def test_the_gradient_is_p_to_the_q_times_cross_entropys():
    """Equation 7: examples whose label looks improbable teach less."""
    logits = model_of()(X).detach().requires_grad_()
    p = logits.softmax(dim=1).gather(1, Y[:, None]).squeeze(1)
    (ours,) = torch.autograd.grad(power_loss(p.log(), 0.7).sum(), logits, retain_graph=True)
    (plain,) = torch.autograd.grad(-p.log().sum(), logits)
    torch.testing.assert_close(ours, p.detach()[:, None] ** 0.7 * plain)


def test_a_label_without_any_probability_has_a_finite_gradient():
    logits = torch.tensor([[1000.0, 0.0]], requires_grad=True)
    ours = power_loss(logits.log_softmax(dim=1)[:, 1], 0.7).sum()
    (gradient,) = torch.autograd.grad(ours, logits)
    assert ours.item() == pytest.approx(1 / 0.7)
    assert torch.isfinite(gradient).all()
    popular = ((1 - logits.softmax(dim=1)[:, 1] ** 0.7) / 0.7).sum()
    assert torch.autograd.grad(popular, logits)[0].isnan().any(), "why it is not written so"


def test_each_example_counts_as_the_criterion_counts_its_label():
    weights = torch.tensor([1.0, 5.0, 0.5], dtype=torch.float64)
    strategy = ready(weighted=lambda log_probs, y: weights[y] * criterion(log_probs, y))
    model = model_of()
    each = power_loss(model(X).log_softmax(dim=1).gather(1, Y[:, None]).squeeze(1), 0.7)
    torch.testing.assert_close(loss(strategy, model), (weights[Y] * each).mean())


def test_truncated_examples_teach_nothing_and_cost_what_the_threshold_costs():
    model = model_of()
    p = model(X).softmax(dim=1).gather(1, Y[:, None]).squeeze(1)
    above = p > 0.4
    assert 0 < above.sum() < len(Y)
    strategy = ready(truncate=0.4, truncate_from=0.5)
    by_hand = power_loss(p.clamp_min(0.4).log(), 0.7).mean()
    torch.testing.assert_close(loss(strategy, model), by_hand)
    expected = torch.autograd.grad(power_loss(p[above].log(), 0.7).sum() / len(Y), model.head.weight)[0]
    torch.testing.assert_close(torch.autograd.grad(loss(strategy, model), model.head.weight)[0], expected)
    batch = Batch(X, Y, 0 * Y, torch.ones(len(Y)), torch.arange(len(Y)))
    before = strategy.loss(model, batch, None, None, 0.49)["total"]
    torch.testing.assert_close(before, loss(ready(), model))
