"""Against scikit-learn's solvers, whose penalty is C = 1 / (n · strength) and whose biases are not penalised either."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from src.optimizers.lbfgs import LBFGS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 8)).astype(np.float32)
Y = (X[:, :3] + 0.8 * RNG.standard_normal((400, 3))).argmax(axis=1)


def fitted(**options):
    model = torch.nn.Linear(8, 3)
    optimizer = LBFGS([{"params": list(model.parameters())}], **options)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    return model.weight.detach().numpy(), optimizer


def test_l2_is_scikit_learns():
    weights, optimizer = fitted(weight_decay=0.01, tolerance=1e-7, max_iter=1000)
    oracle = LogisticRegression(C=1 / (400 * 0.01), tol=1e-8, max_iter=1000).fit(X, Y)
    assert np.allclose(weights, oracle.coef_, atol=2e-3)
    assert optimizer.iterations > 5


def test_l1_is_scikit_learns_and_its_zeros_are_exact():
    weights, _ = fitted(weight_decay=0.0, l1=0.02, tolerance=1e-7, max_iter=2000)
    oracle = LogisticRegression(C=1 / (400 * 0.02), l1_ratio=1.0, solver="saga", tol=1e-7, max_iter=20000).fit(X, Y)
    assert np.allclose(weights, oracle.coef_, atol=5e-3)
    assert ((weights == 0) == (np.abs(oracle.coef_) < 1e-6)).mean() > 0.95
    assert (weights == 0).sum() >= 8


def test_it_says_when_it_has_converged():
    done, unfinished = fitted(tolerance=1e-4)[1], fitted(max_iter=2)[1]
    assert done.converged
    assert not unfinished.converged
    assert not done.stalled | unfinished.stalled
    assert fitted(tolerance=1e-4, l1=0.02)[1].converged, "at a bound the gradient may point outwards"


def test_a_loss_that_falls_no_further_has_not_converged():
    """SciPy then ends with status 0, as it does for a small gradient."""
    parameter = torch.nn.Parameter(torch.full((3,), 10.0))
    optimizer = LBFGS([parameter])

    def closure():
        parameter.grad = parameter.detach().clone()
        return 1e18  # beside which ½ x² is nothing

    optimizer.step(closure)
    assert not optimizer.converged
    assert optimizer.stalled


@pytest.mark.parametrize("options", [{"l1": -1.0}, {"weight_decay": float("nan")}, {"max_iter": 0}, {"history": 0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match="give"):
        LBFGS([torch.nn.Parameter(torch.zeros(2))], **options)
