import numpy as np
import pytest
import torch

from src.strategies.erm import ERM
from src.strategies.hard_mining import HardMining
from src.strategies.selection import easiest, hardest
from src.strategies.self_paced import SelfPaced
from src.task import Batch
from tests.strategies import fitting
from tests.strategies.linear import TASK, X, Y, criterion, model_of


def ready(strategy):
    strategy.setup(TASK, model_of(), criterion)
    return strategy


def losses(strategy, model, x=X, progress=0.0):
    return strategy.loss(model, Batch(x, Y, 0 * Y, torch.ones(len(Y)), torch.arange(len(Y))), None, None, progress)


def each(model):
    return criterion(model(X).log_softmax(dim=1), Y)


def test_the_share_grows_to_its_end_and_stays():
    strategy = SelfPaced(start=0.4, end=0.8, ramp=0.5, warm_up=0.2)
    found = [strategy.share(progress) for progress in (0.0, 0.19, 0.2, 0.45, 0.7, 1.0)]
    assert found == pytest.approx([1.0, 1.0, 0.4, 0.6, 0.8, 0.8])


@pytest.mark.parametrize("stratify", [True, False])
def test_once_all_are_in_it_is_plain_training_to_the_bit(stratify):
    model = model_of()
    strategy = ready(SelfPaced(start=0.2, ramp=0.4, stratify=stratify))
    ours, plain = losses(strategy, model, progress=0.5)["total"], losses(ready(ERM()), model)["total"]
    assert torch.equal(ours, plain)
    a, b = (torch.autograd.grad(total, model.head.weight)[0] for total in (ours, plain))
    assert torch.equal(a, b)
    assert not torch.equal(losses(strategy, model, progress=0.4)["total"], plain)


def test_it_is_the_mean_of_the_smallest_losses_and_only_they_teach():
    model = model_of()
    strategy = ready(SelfPaced(start=0.25, warm_up=0.0))
    smallest = each(model).topk(15, largest=False).indices
    found = losses(strategy, model)
    torch.testing.assert_close(found["total"], each(model)[smallest].mean())
    torch.testing.assert_close(found["all"], each(model).mean().detach())
    assert found["kept"] == 0.25
    logits = model(X).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(losses(strategy, torch.nn.Identity(), logits)["total"], logits)
    assert set(gradient.abs().sum(dim=1).nonzero().squeeze(1).tolist()) == set(smallest.tolist())


def test_weights_of_0_and_1_are_kumars_for_the_threshold_at_the_quantile():
    """v minimises Σ v_i f_i - λ Σ v_i over [0, 1]: v_i = 1 where f_i < λ."""
    values = each(model_of()).detach()
    kept = easiest(model_of()(X).log_softmax(dim=1), Y, 0.4, False)
    threshold = values.sort().values[24]
    assert torch.equal(kept, values < threshold)


def test_of_wrong_labels_it_learns_from_few_and_hard_mining_from_most(tmp_path):
    """40 % of the labels are wrong; the same early model chooses."""
    x, clean = fitting.blobs(600)
    rng = np.random.default_rng(1)
    wrong = rng.random(600) < 0.4
    y = np.where(wrong, (clean + rng.integers(1, 3, 600)) % 3, clean)
    trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, y, clean))
    _, model = fitting.ready(ERM(), trainer)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    inputs, labels, wrong = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(wrong)
    for _ in range(50):
        optimizer.zero_grad()
        criterion(model(inputs).log_softmax(dim=1), labels).mean().backward()
        optimizer.step()
    log_probs = model(inputs).log_softmax(dim=1)
    easy, hard = (wrong[choose(log_probs, labels, 0.5, False)].float().mean() for choose in (easiest, hardest))
    assert easy < 0.05
    assert hard > 0.7


def accuracy_after(strategy, noise):
    """Of full-batch training with a share of labels wrong, on new data."""
    x, clean = fitting.blobs(300, spread=3.0)
    rng = np.random.default_rng(2)
    y = np.where(rng.random(300) < noise, (clean + 1) % 3, clean)
    _, model = fitting.ready(strategy, fitting.trainer_on(None, fitting.split_of(x, y)))
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    labels = torch.from_numpy(y)
    batch = Batch(torch.from_numpy(x), labels, 0 * labels, torch.ones(300), torch.arange(300))
    for step in range(100):
        optimizer.zero_grad()
        strategy.loss(model, batch, None, None, step / 100)["total"].backward()
        optimizer.step()
    new, truth = fitting.blobs(600, spread=3.0, seed=7)
    return (model(torch.from_numpy(new)).argmax(dim=1).numpy() == truth).mean()


def test_with_wrong_labels_it_scores_better_than_hard_mining():
    easy = accuracy_after(SelfPaced(start=0.5, end=0.6), noise=0.4)
    hard = accuracy_after(HardMining(share=0.6), noise=0.4)
    assert easy > hard + 0.1, (easy, hard)


def test_the_share_does_not_shrink():
    with pytest.raises(ValueError, match=r"end=0\.3 is below start=0\.5"):
        SelfPaced(end=0.3)
