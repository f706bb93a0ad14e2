import json

import numpy as np
import torch

from src import checkpoint
from src.noise_models.estimators import error
from src.strategies.t_revision import LARGEST, TRevision, importance
from src.task import Batch
from src.transition_matrix import TransitionMatrix
from tests.strategies import gaussians
from tests.strategies.linear import T, X, Y, criterion, loss, model_of, ready
from tests.test_training import only_run

BATCH = Batch(X, Y, 0 * Y, torch.ones(len(Y)), torch.arange(len(Y)))


def test_without_noise_it_is_cross_entropy():
    model, strategy = model_of(), ready(TRevision(), TransitionMatrix.identity(3))
    torch.testing.assert_close(loss(strategy, model), criterion(model(X).log_softmax(dim=1), Y).mean())


def test_with_the_true_posterior_the_weights_make_the_observed_risk_the_clean_one():
    """Σ_y (T p)_y beta_y l_y = Σ_y p_y l_y for every x: equation 3's identity."""
    p = model_of()(X).softmax(dim=1).detach()
    columns = torch.from_numpy(T.columns.copy())
    each = torch.rand(len(X), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    risk = torch.zeros(len(X), dtype=torch.float64)
    for y in range(3):
        weight = importance(p, torch.full_like(Y, y), columns)
        risk += (p @ columns.T)[:, y] * weight * each[:, y]
    torch.testing.assert_close(risk, (p * each).sum(dim=1))


def test_the_networks_gradient_takes_the_weights_for_constants():
    model, strategy = model_of(), ready(TRevision(), T)
    log_probs = model(X).log_softmax(dim=1)
    p, columns = log_probs.exp().detach(), torch.from_numpy(T.columns.copy())
    weights = p.gather(1, Y[:, None]).squeeze(1) / (p @ columns.T).gather(1, Y[:, None]).squeeze(1)
    (expected,) = torch.autograd.grad((weights * criterion(log_probs, Y)).mean(), model.head.weight)
    (found,) = torch.autograd.grad(loss(strategy, model), model.head.weight)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_the_gradient_reaches_the_slack_from_the_start_on():
    """d beta / dT[y, j] = -beta p_j / (T p)_y, minus the mean of each column by the projection."""
    model, strategy = model_of(), ready(TRevision(start=0.5), T)
    strategy.loss(model, BATCH, None, None, 0.49)["total"].backward()
    assert strategy.slack.grad is None
    strategy.loss(model, BATCH, None, None, 0.5)["total"].backward()
    log_probs = model(X).log_softmax(dim=1).detach()
    direct = torch.zeros(3, 3, dtype=torch.float64)
    for y, row, each in zip(Y, log_probs.exp(), criterion(log_probs, Y), strict=True):
        observed = strategy.T[y] @ row
        direct[y] -= each * row[y] / observed * row / observed / len(Y)
    torch.testing.assert_close(strategy.slack.grad, direct - direct.mean(dim=0), rtol=1e-6, atol=1e-8)
    assert strategy.slack.grad.abs().min() > 1e-5


def test_the_revised_matrix_is_one_whatever_the_slack():
    strategy = ready(TRevision(), T)
    torch.testing.assert_close(strategy.revised(), strategy.T)
    with torch.no_grad():
        strategy.slack.copy_(3 * torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))
    matrix = strategy.revised()
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=0), torch.ones(3, dtype=torch.float64))


def test_where_classes_are_drawn_otherwise_the_revised_matrix_follows():
    strategy, factor = ready(TRevision(), T), np.array([1.0, 4.0, 0.5])
    with torch.no_grad():
        strategy.slack.copy_(0.1 * torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))
    before = TransitionMatrix(strategy.revised().detach().numpy())
    strategy.reweigh(factor)
    np.testing.assert_allclose(strategy.revised().detach().numpy(), before.reweighted(factor).columns, atol=1e-12)
    np.testing.assert_allclose(strategy.T.numpy(), T.reweighted(factor).columns, atol=1e-12)


def test_weights_are_cut_off():
    columns = torch.tensor([[0.01, 0.3], [0.99, 0.7]])
    p = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert importance(p, torch.tensor([0, 1]), columns).tolist() == [LARGEST, torch.tensor(1 / 0.7).item()]
    never = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert importance(p, torch.tensor([1, 1]), never).tolist() == [0.0, LARGEST]


def test_the_risk_is_not_least_at_the_true_matrix_though_the_likelihood_is():
    """Expectations over the observed labels with the true posterior, their gradients along the columns' simplices."""
    p = model_of()(4 * X).softmax(dim=1).detach()
    true = torch.from_numpy(T.columns.copy())
    matrix = true.clone().requires_grad_()
    observed = p @ true.T
    each = torch.stack([importance(p, torch.full_like(Y, y), matrix) * -p[:, y].log() for y in range(3)], dim=1)
    for name, risk in (("weighted", (observed * each).sum()), ("likelihood", -(observed * (p @ matrix.T).log()).sum())):
        (gradient,) = torch.autograd.grad(risk / len(X), matrix)
        along = gradient - gradient.mean(dim=0)
        assert (along.abs().max() > 0.05) == (name == "weighted")


def test_so_revision_at_a_fast_rate_leaves_the_truth_for_where_it_gets_from_anywhere():
    """Measured on Gaussians: from errors of 0 and 0.33 both to 0.4, and within 0.1 of each other."""
    wrong = TransitionMatrix(0.7 * np.eye(3) + 0.1)
    from_truth, from_wrong = (
        gaussians.matrix_of(gaussians.trained(TRevision(lr_factor=1.0), start)[0].revised()) for start in (T, wrong)
    )
    assert error(from_truth, T) > 0.3
    assert error(from_truth, from_wrong) < 0.1


def test_a_run_records_the_revised_matrix_and_its_checkpoint_holds_both(train, tmp_path):
    train(
        "dataset=digits", "dataset.classes=[0,1,2]", "model=mlr", "noise_model=mnist05", "strategy=t_revision",
        "optimizer=adam", "schedule=onecycle", "trainer.epochs=2", "trainer.select=last", "figures=false",
    )  # fmt: skip
    folder = only_run(tmp_path / "runs_root")
    record = json.loads((folder / "transition.json").read_text())
    state = checkpoint.load(folder / "last.pt")["strategy"]
    assert record["source"] == "learned: t_revision"
    np.testing.assert_allclose(state["T"], [[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]], atol=1e-6)
    moved = np.array(record["matrix"]) - state["T"].numpy()
    slack = state["slack"].numpy()
    np.testing.assert_allclose(moved, slack - slack.mean(axis=0), atol=1e-6)
    assert np.abs(moved).max() > 1e-5
