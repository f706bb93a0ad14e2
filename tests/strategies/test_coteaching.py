import numpy as np
import pytest
import torch

from src.errors import UserError
from src.noise_models.sampling import corrupt
from src.strategies.coteaching import Coteaching, flip_rate
from src.strategies.selection import smallest
from src.task import Batch, Task
from src.transition_matrix import TransitionMatrix
from tests.strategies.fitting import blobs, fitted, split_of, trainer_on
from tests.strategies.linear import TASK, T, X, Y, criterion, model_of


def ready(model, **options):
    strategy = Coteaching(**options)
    strategy.setup(TASK, model, criterion)
    strategy.peer.double()
    return strategy


def losses(strategy, model, order=None, progress=1.0):
    order = torch.arange(len(Y)) if order is None else order
    batch = Batch(X[order], Y[order], 0 * Y, torch.ones(len(Y)), order)
    return strategy.loss(model, batch, None, None, progress)


def each(network):
    return criterion(network(X).log_softmax(dim=1), Y)


def test_the_peer_starts_elsewhere():
    model = model_of()
    strategy = ready(model)
    assert strategy.peer.head.weight.shape == model.head.weight.shape
    assert (strategy.peer.head.weight != model.head.weight).all()
    assert any(parameter is strategy.peer.head.weight for parameter in strategy.parameters())


@pytest.mark.parametrize("stratify", [True, False])
def test_each_network_learns_from_its_peers_selection(stratify):
    model = model_of()
    strategy = ready(model, forget=0.5, stratify=stratify)
    group = Y if stratify else 0 * Y
    by_model, by_peer = (
        smallest(each(network).detach(), group, len(set(group.tolist())), 0.5) for network in (model, strategy.peer)
    )
    assert (by_model != by_peer).any()
    found = losses(strategy, model)
    torch.testing.assert_close(found["own"], each(model)[by_peer].mean())
    torch.testing.assert_close(found["peer"], each(strategy.peer)[by_model].mean())
    (gradient,) = torch.autograd.grad(found["total"], model.head.weight)
    (expected,) = torch.autograd.grad(each(model)[by_peer].mean(), model.head.weight)
    torch.testing.assert_close(gradient, expected)


def test_the_share_forgotten_rises_and_stays():
    """tau · min((t / T_k)^c, 1): tau = .4, T_k = .25 of the training, c = 2."""
    strategy = Coteaching(forget=0.4, ramp=0.25, power=2.0)
    strategy.setup(TASK, model_of(), criterion)
    found = [strategy.forgotten(progress) for progress in (0.0, 0.05, 0.125, 0.25, 1.0)]
    assert found == pytest.approx([0.0, 0.016, 0.1, 0.4, 0.4])


def test_nothing_forgotten_is_two_plain_trainings():
    model = model_of()
    strategy = ready(model, forget=0.4)
    found = losses(strategy, model, progress=0.0)
    torch.testing.assert_close(found["total"], each(model).mean() + each(strategy.peer).mean())
    assert found["kept"] == 1


def test_the_order_of_a_batch_does_not_matter_and_nothing_is_remembered_of_it():
    model = model_of()
    strategy = ready(model, forget=0.3)
    before = {name: value.clone() for name, value in strategy.state_dict().items()}
    shuffled = torch.randperm(len(Y), generator=torch.Generator().manual_seed(1))
    here, there = losses(strategy, model), losses(strategy, model, shuffled)
    for name in here:
        torch.testing.assert_close(here[name], there[name])
    assert all(torch.equal(value, before[name]) for name, value in strategy.state_dict().items())


def test_scores_are_the_mean_of_both():
    model = model_of()
    strategy = ready(model)
    expected = (model(X).softmax(dim=1) + strategy.peer(X).softmax(dim=1)) / 2
    torch.testing.assert_close(strategy.scores(model, X).double(), expected, atol=1e-6, rtol=1e-6)


def test_the_flip_rate_is_that_of_the_true_class_mix():
    prior = np.array([0.5, 0.3, 0.2])
    counts = tuple((1e6 * T.columns @ prior).round().astype(int).tolist())
    assert flip_rate(T, counts) == pytest.approx(0.5 * 0.1 + 0.3 * 0.6 + 0.2 * 0.2, abs=1e-5)


@pytest.mark.parametrize("matrix", [None, TransitionMatrix(np.full((3, 3), 1 / 3))])
def test_an_unknown_flip_rate_is_a_sentence(matrix):
    task = Task(("a", "b", "c"), ("all",), "vector", (5,), class_counts=(9, 9, 9), transition=matrix)
    strategy = Coteaching()
    strategy.setup(task, model_of(), criterion)
    with pytest.raises(UserError, match=r"strategy\.forget=null.*give strategy\.forget a number"):
        strategy.fit(task, model_of(), None)


def noisy(folder):
    x, clean = blobs(900)
    trainer = trainer_on(folder, split_of(x, corrupt(clean, T, "exact", np.random.default_rng(0)), clean), epochs=3)
    trainer.make_optimizer = lambda groups: torch.optim.Adam(groups, 0.05)
    trainer.make_schedule = lambda optimizer, total_steps: None
    return trainer


def test_the_flip_rate_can_be_estimated_and_is_kept_for_a_resumed_run(tmp_path, monkeypatch):
    trainer = noisy(tmp_path)
    strategy = Coteaching(forget="estimated", estimator="confident_joint")
    fitted(strategy, trainer)
    wrong = (trainer.train.labels != trainer.train.clean).mean()
    assert strategy.wrong == pytest.approx(wrong, abs=0.05)
    assert strategy.facts(trainer.train, tmp_path)["transition/error_realised"] < 0.2
    monkeypatch.setattr("src.strategies.coteaching.estimate", lambda *args, **kwargs: pytest.fail("estimated again"))
    again = Coteaching(forget="estimated", estimator="confident_joint")
    fitted(again, trainer)
    assert again.wrong == pytest.approx(strategy.wrong)


def test_an_estimate_that_is_singular_is_a_sentence(tmp_path, monkeypatch):
    singular = TransitionMatrix(np.full((3, 3), 1 / 3))
    monkeypatch.setattr("src.strategies.coteaching.estimate", lambda *args, **kwargs: singular)
    with pytest.raises(UserError, match=r"strategy\.forget=estimated: .*singular.*give strategy\.forget a number"):
        fitted(Coteaching(forget="estimated"), noisy(tmp_path))
