"""The distance is that of torch's covariances; and it removes a difference of them."""

import pytest
import torch

from src.strategies.coral import CORAL, covariance_distance
from src.strategies.erm import ERM
from tests.strategies.domains import batch, made


def points(n, seed=0, d=5):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def distance(x, y):
    return covariance_distance(x, y, torch.ones(len(x)), torch.ones(len(y)))


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_equation_1_with_torchs_covariances(weighted):
    x, y = points(9), 2 * points(6, seed=1)
    w, v = (torch.linspace(0.2, 3, n) if weighted else torch.ones(n) for n in (9, 6))
    c_x, c_y = (torch.cov(z.double().T, aweights=u.double()) for z, u in ((x, w), (y, v)))
    expected = torch.linalg.matrix_norm(c_x - c_y) ** 2 / (4 * 25)
    torch.testing.assert_close(covariance_distance(x, y, w, v).double(), expected, rtol=1e-5, atol=0)


def test_equal_batches_have_none_wherever_they_lie():
    x = points(8)
    assert distance(x, x) == 0
    torch.testing.assert_close(distance(x, x[torch.randperm(8)] + 3), torch.zeros(()), atol=1e-9, rtol=0)
    assert distance(x, 1.5 * x) > 0.01


def test_an_example_without_weight_is_not_there():
    x, y = points(8), points(6, seed=1)
    w = torch.tensor([1.0, 1, 1, 0, 1, 1, 1, 0])
    torch.testing.assert_close(covariance_distance(x, y, w, torch.ones(6)), distance(x[w > 0], y))


@pytest.mark.parametrize(("n", "m"), [(1, 5), (5, 1), (3, 0)])
def test_of_one_example_there_is_no_covariance(n, m):
    assert distance(points(n), points(m)) == 0


def test_half_precision_does_not_reach_it():
    x, y = (100 + points(64, seed=s).bfloat16() for s in (0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        found = distance(x, y)
    assert found.dtype == torch.float32
    assert torch.equal(found, distance(x.float(), y.float()))


def test_the_scale_is_what_it_counts():
    source, target = batch(8, 0), batch(8, 1, hidden=True, seed=1)
    target.x *= 3
    model, strategy = made(CORAL(scale=2.5))
    found = strategy.loss(model, source, target, None, 0.0)
    torch.testing.assert_close(found["total"], found["class"] + 2.5 * found["coral"])
    torch.testing.assert_close(found["class"], made(ERM())[1].loss(model, source, None, None, 0.0)["total"])


def test_it_makes_the_covariances_of_features_alike():
    """The target is stretched along one axis that the classes do not need."""
    source, target = batch(128, 0), batch(128, 1, hidden=True, seed=1)
    target.x[:, 5] *= 5
    left = {}
    for scale in (0.0, 100.0):
        model, strategy = made(CORAL(scale=scale))
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(100):
            optimizer.zero_grad()
            strategy.loss(model, source, target, None, 0.0)["total"].backward()
            optimizer.step()
        left[scale] = strategy.loss(model, source, target, None, 0.0)["coral"].item()
    assert left[100.0] < 0.01 * left[0.0], left
