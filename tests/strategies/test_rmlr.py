"""Robust multinomial logistic regression: the paper's gradient and update, and what learning T can and cannot do."""

import itertools
import json

import numpy as np
import pytest
import torch

from src.noise_models.estimators import em_step, error
from src.noise_models.sampling import corrupt
from src.optimizers.lbfgs import LBFGS
from src.strategies.forward import Forward
from src.strategies.rmlr import RMLR
from src.task import Batch
from src.transition_matrix import TransitionMatrix
from tests.strategies import gaussians
from tests.strategies.fitting import blobs, fitted, ready, scores, split_of, trainer_on
from tests.strategies.linear import T, X, Y, loss, model_of
from tests.strategies.linear import ready as linear


def test_its_gradient_is_posterior_minus_prediction():
    """d loglik / dW = (h - P)^T X with h the posterior of the true class (Bootkrajang 2012, equation 9)."""
    model = model_of()
    (loss(linear(RMLR(), T), model) * len(Y)).backward()
    p = model(X).softmax(dim=1).detach()
    joint = torch.from_numpy(T.columns.copy())[Y] * p
    h = joint / joint.sum(dim=1, keepdim=True)
    torch.testing.assert_close(model.head.weight.grad, -(h - p).T @ X, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(model.head.bias.grad, -(h - p).sum(dim=0), rtol=1e-9, atol=1e-11)


def test_with_t_fixed_it_is_forward_correction():
    model = model_of()
    assert loss(linear(RMLR(), T), model) == loss(linear(Forward(), T), model)


def test_for_fixed_weights_the_update_never_lowers_the_likelihood():
    strategy, model = linear(RMLR(transition="learned"), TransitionMatrix(0.7 * np.eye(3) + 0.1)), model_of()
    p = model(X).softmax(dim=1).detach().numpy()
    found = []
    for _ in range(20):
        found.append(loss(strategy, model).item())
        strategy.use(em_step(TransitionMatrix(strategy.T.numpy()), p, Y.numpy()))
    assert all(later <= sooner + 1e-12 for sooner, later in itertools.pairwise(found))
    assert found[-1] < found[0] - 1e-3


def trained(tmp_path, transition, observed, x, **options):
    tmp_path.mkdir(exist_ok=True)
    trainer = trainer_on(tmp_path, split_of(x, observed), epochs=options.pop("epochs", 1))
    trainer.make_optimizer = lambda groups: LBFGS(groups, max_iter=40, **options)
    trainer.make_schedule = lambda optimizer, total_steps: None
    strategy = RMLR(transition=transition)
    return fitted(strategy, trainer), strategy


def test_without_noise_it_is_scikit_learns_logistic_regression(tmp_path):
    from sklearn.linear_model import LogisticRegression

    x, y = blobs(spread=3.0)
    predictor, _ = trained(tmp_path, np.eye(3).tolist(), y, x, weight_decay=0.05, tolerance=1e-7)
    oracle = LogisticRegression(C=1 / (0.05 * len(y)), tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(scores(predictor, x).detach().numpy(), oracle.predict_proba(x), atol=2e-4)


def test_learned_t_comes_near_the_truth_where_the_model_is_rigid(tmp_path):
    """Facts: two-dimensional Gaussians, 3,000 points."""
    x, y, observed = gaussians.sample()
    predictor, strategy = trained(tmp_path, "learned", observed.numpy(), x.numpy(), epochs=25, weight_decay=1e-4)
    found = TransitionMatrix(strategy.T.double().numpy())
    started = TransitionMatrix(0.7 * np.eye(3) + 0.1)
    assert error(found, T) < 0.12 < error(started, T)
    known, _ = trained(tmp_path / "known", T.columns.tolist(), observed.numpy(), x.numpy(), weight_decay=1e-4)
    right = [(scores(one, x.numpy()).argmax(1) == y).float().mean() for one in (predictor, known)]
    assert right[0] > right[1] - 0.01
    record = json.loads((tmp_path / "transition.json").read_text())
    np.testing.assert_allclose(record["matrix"], found.columns, atol=1e-6)
    assert record["source"] == "learned: em"


def test_the_identity_stays_the_identity():
    p = model_of()(X).softmax(dim=1).detach().numpy()
    np.testing.assert_array_equal(em_step(TransitionMatrix.identity(3), p, Y.numpy()).columns, np.eye(3))


def test_the_l1_prior_drops_inputs_that_say_nothing(tmp_path):
    rng = np.random.default_rng(0)
    x, y = blobs(600)
    x = np.concatenate([x[:, :3], rng.normal(size=(600, 12)).astype(np.float32)], axis=1)
    observed = corrupt(y, T, "iid", rng)
    predictor, _ = trained(tmp_path, T.columns.tolist(), observed, x, weight_decay=0.0, l1=0.02)
    weight = predictor.model.head.weight.detach()
    assert (weight[:, 3:] == 0).float().mean() > 0.8
    assert (weight[:, :3] != 0).any(dim=0).all()


def test_facts_tell_how_far_the_learned_matrix_is_from_the_truth(tmp_path):
    x, y = blobs()
    trainer = trainer_on(tmp_path, split_of(x, y), epochs=2)
    trainer.make_optimizer, trainer.make_schedule = LBFGS, lambda optimizer, total_steps: None
    strategy = RMLR(transition="learned")
    task, model = ready(strategy, trainer)
    strategy.fit(task, model, trainer)
    facts = strategy.facts(trainer.train, tmp_path)
    assert "transition/error" not in facts, "nobody knows the truth here"
    assert sum(facts[f"transition/T.{i}.0"] for i in range(3)) == pytest.approx(1)
    assert facts["transition/condition_number"] >= 1


def test_a_batch_of_one_class_is_survived():
    model = model_of()
    one = torch.zeros_like(Y)
    strategy = linear(RMLR(), T)
    batch = Batch(X, one, 0 * one, torch.ones(len(one)), torch.arange(len(one)))
    assert torch.isfinite(strategy.loss(model, batch, None, None, 0.0)["total"])
