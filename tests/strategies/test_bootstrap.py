import pytest
import torch
from torch.nn import functional as F

from src import config
from src.errors import UserError
from src.strategies.bootstrap import Bootstrap
from src.task import Batch
from tests.strategies.linear import TASK, X, Y, criterion, loss, model_of


def ready(weighted=criterion, **options):
    strategy = Bootstrap(**options)
    strategy.setup(TASK, model_of(), weighted)
    return strategy


def gradient(strategy, y=Y):
    model = model_of()
    return torch.autograd.grad(loss(strategy, model, y), list(model.parameters()))


def plain():
    model = model_of()
    return torch.autograd.grad(F.cross_entropy(model(X), Y), list(model.parameters()))


@pytest.mark.parametrize(("kind", "beta"), [("soft", 0.95), ("hard", 0.8)])
def test_it_is_cross_entropy_with_a_mixed_target(kind, beta):
    model = model_of()
    p = model(X).softmax(dim=1)
    own = p if kind == "soft" else F.one_hot(p.argmax(dim=1), 3)
    mixed = beta * F.one_hot(Y, 3) + (1 - beta) * own
    by_hand = -(mixed * p.log()).sum(dim=1).mean()
    torch.testing.assert_close(loss(ready(kind=kind), model), by_hand)


def test_a_detached_soft_target_is_plain_training_scaled():
    for ours, plainly in zip(gradient(ready(target_grad=False, beta=0.6)), plain(), strict=True):
        torch.testing.assert_close(ours, 0.6 * plainly, rtol=1e-12, atol=1e-12)
    with_gradient = gradient(ready(beta=0.6))[0]
    assert (with_gradient - 0.6 * plain()[0]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_beta_of_one_and_the_warm_up_are_plain_training(kind):
    for ours, plainly in zip(gradient(ready(kind=kind, beta=1.0)), plain(), strict=True):
        torch.testing.assert_close(ours, plainly)
    warm = ready(kind=kind, beta=0.5, warm_up=0.3)
    model = model_of()
    batch = Batch(X, Y, 0 * Y, torch.ones(len(Y)), torch.arange(len(Y)))
    totals = [warm.loss(model, batch, None, None, progress)["total"].item() for progress in (0.0, 0.29, 0.3)]
    assert totals[0] == totals[1] == pytest.approx(F.cross_entropy(model(X), Y).item())
    assert totals[2] != pytest.approx(totals[0], rel=1e-3)


def test_class_weights_count_both_terms():
    weights = torch.tensor([1.0, 5.0, 0.5], dtype=torch.float64)
    weighted = ready(weighted=lambda log_probs, y: weights[y] * criterion(log_probs, y))
    model = model_of()
    each = torch.stack([loss(ready(), model, Y[i : i + 1], X[i : i + 1]) for i in range(len(Y))])
    torch.testing.assert_close(loss(weighted, model), (weights[Y] * each).mean())


def test_a_linear_model_taken_to_one_minimum_would_stop_at_the_end_of_the_warm_up(compose):
    given = ["dataset=digits", "model=mlr", "strategy=bootstrap"]
    with pytest.raises(UserError, match="strategy=bootstrap changes what it minimises as the training goes on"):
        config.check(compose(*given))
    config.check(compose(*given, "strategy.warm_up=0"))
    config.check(compose(*given, "optimizer=adam"))
