import pytest
import torch

from src.strategies.erm import ERM
from src.strategies.hard_mining import HardMining
from src.task import Batch
from tests.strategies.linear import TASK, X, Y, criterion, loss, model_of


def ready(strategy, weighted=criterion):
    strategy.setup(TASK, model_of(), weighted)
    return strategy


def each(model):
    return criterion(model(X).log_softmax(dim=1), Y)


@pytest.mark.parametrize("stratify", [True, False])
def test_all_examples_are_plain_training_to_the_bit(stratify):
    model = model_of()
    ours, plain = (loss(ready(s), model) for s in (HardMining(share=1.0, stratify=stratify), ERM()))
    assert torch.equal(ours, plain)
    a, b = (torch.autograd.grad(total, model.head.weight)[0] for total in (ours, plain))
    assert torch.equal(a, b)


def test_it_is_the_mean_of_the_largest_losses_and_only_they_teach():
    model = model_of()
    total = loss(ready(HardMining(share=0.25)), model)
    largest = each(model).topk(15).indices
    torch.testing.assert_close(total, each(model)[largest].mean())
    logits = model(X).detach().requires_grad_()
    found = loss(ready(HardMining(share=0.25)), torch.nn.Identity(), x=logits)
    (gradient,) = torch.autograd.grad(found, logits)
    assert set(gradient.abs().sum(dim=1).nonzero().squeeze(1).tolist()) == set(largest.tolist())


def test_class_weights_count_but_do_not_choose():
    weights = torch.tensor([1.0, 50.0, 0.1], dtype=torch.float64)
    model = model_of()
    strategy = ready(HardMining(share=0.5), lambda log_probs, y: weights[y] * criterion(log_probs, y))
    largest = each(model).topk(30).indices
    torch.testing.assert_close(loss(strategy, model), (weights[Y] * each(model))[largest].mean())


def test_a_rare_class_that_is_badly_fitted_gets_more_than_its_share_unless_stratified():
    y = torch.tensor([0] * 90 + [1] * 10)
    logits = torch.stack([torch.full((100,), 2.0), torch.linspace(0, 1, 100)], dim=1)
    batch = Batch(logits.requires_grad_(), y, 0 * y, torch.ones(100), torch.arange(100))
    taught = {}
    for stratify in (True, False):
        total = ready(HardMining(share=0.2, stratify=stratify)).loss(torch.nn.Identity(), batch, None, None, 0.5)[
            "total"
        ]
        (gradient,) = torch.autograd.grad(total, logits)
        taught[stratify] = y[gradient.abs().sum(dim=1) > 0].bincount(minlength=2).tolist()
    assert taught == {True: [18, 2], False: [10, 10]}


def test_what_is_recorded_beside_it():
    model = model_of()
    batch = Batch(X, Y, 0 * Y, torch.ones(60), torch.arange(60))
    found = ready(HardMining(share=0.5)).loss(model, batch, None, None, 0.5)
    torch.testing.assert_close(found["all"], each(model).mean().detach())
    assert found["kept"] == 0.5
    assert found["total"] > found["all"]


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_is_above_0_up_to_1(share):
    with pytest.raises(ValueError, match="share"):
        HardMining(share=share)
