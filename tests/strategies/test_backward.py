import logging

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from src.errors import UserError
from src.strategies.backward import Backward
from src.transition_matrix import TransitionMatrix
from tests.strategies.linear import T, X, Y, criterion, loss, model_of, ready


def test_without_noise_it_is_cross_entropy():
    model = model_of()
    strategy = ready(Backward(), TransitionMatrix.identity(3))
    torch.testing.assert_close(loss(strategy, model), F.cross_entropy(model(X), Y))


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 5.0, 0.5], dtype=torch.float64)])
def test_its_expectation_over_the_observed_labels_is_the_clean_loss(weights):
    """Also with class weights, which are the true class's then."""

    def weighted(log_probs, y):
        return criterion(log_probs, y) * (1 if weights is None else weights[y])

    model = model_of()
    strategy = ready(Backward(), T, weighted=weighted)
    columns = torch.from_numpy(T.columns.copy())
    expected = torch.zeros((), dtype=torch.float64)
    for i in range(len(X)):
        for observed in range(3):
            expected = expected + columns[observed, Y[i]] * loss(
                strategy, model, torch.tensor([observed]), X[i : i + 1]
            )
    clean = weighted(model(X).log_softmax(dim=1), Y).mean()
    torch.testing.assert_close(expected / len(X), clean, rtol=1e-12, atol=1e-12)


def test_for_two_classes_it_is_natarajans_formula():
    """((1 - rho_-y) l(y) - rho_y l(-y)) / (1 - rho_+ - rho_-), Natarajan 2013, lemma 1."""
    from src.task import Task

    flip = [0.3, 0.1]  # of class 0, of class 1
    matrix = TransitionMatrix([[0.7, 0.1], [0.3, 0.9]])
    strategy = Backward()
    task = Task(("a", "b"), ("all",), "vector", (5,))
    model = model_of()
    model.setup(task)
    model.double()
    strategy.setup(task, model, criterion)
    strategy.double()
    strategy.use(matrix)
    y = Y % 2
    log_probs = model(X).log_softmax(dim=1)
    here, there = criterion(log_probs, y), criterion(log_probs, 1 - y)
    rho = torch.tensor(flip, dtype=torch.float64)
    by_hand = ((1 - rho[1 - y]) * here - rho[y] * there) / (1 - sum(flip))
    torch.testing.assert_close(loss(strategy, model, y), by_hand.mean(), rtol=1e-12, atol=1e-12)


def test_it_is_unbounded_below_unless_it_has_a_floor():
    """Logits of one true class scaled up: facts' -450 at a scale of 50 for the study's T_0.6."""
    matrix = TransitionMatrix([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])
    model = model_of()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([50.0, 0.0, 0.0]))
    y = torch.zeros(4, dtype=torch.int64)
    assert loss(ready(Backward(), matrix), model, y, X[:4]).item() == pytest.approx(-6 * 50, rel=1e-6)
    floored = loss(ready(Backward(floor=0.0), matrix), model, y, X[:4])
    floored.backward()
    assert floored == 0
    assert model.head.bias.grad.abs().sum() == 0


def test_a_bad_condition_is_warned_of_and_a_singular_matrix_refused(caplog):
    nearly = TransitionMatrix([[0.51, 0.49], [0.49, 0.51]])
    with caplog.at_level(logging.WARNING, "src"):
        strategy = Backward()
        from src.task import Task

        strategy.setup(Task(("a", "b"), ("all",), "vector", (5,)), model_of(), criterion)
        strategy.use(nearly)
    assert f"condition number {np.linalg.cond(nearly.columns):.0f}" in caplog.text
    with pytest.raises(UserError, match=r"singular.*strategy=forward needs no inverse"):
        ready(Backward(), TransitionMatrix([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]))
