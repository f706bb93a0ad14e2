import pytest
import torch
from torch.nn import functional as F

from src.errors import UserError
from src.strategies.forward import Forward
from src.transition_matrix import TransitionMatrix
from tests.strategies.linear import TASK, T, X, Y, criterion, loss, model_of, ready


def test_without_noise_it_is_cross_entropy():
    model = model_of()
    strategy = ready(Forward(), TransitionMatrix.identity(3))
    torch.testing.assert_close(loss(strategy, model), F.cross_entropy(model(X), Y), rtol=1e-9, atol=1e-9)


def test_it_is_the_log_likelihood_of_the_observed_labels():
    model = model_of()
    columns = torch.from_numpy(T.columns.copy())
    p = model(X).softmax(dim=1)
    by_hand = -torch.stack([(columns[y] * row).sum() for y, row in zip(Y, p, strict=True)]).log().mean()
    torch.testing.assert_close(loss(ready(Forward(), T), model), by_hand)
    transposed = TransitionMatrix(T.columns.T / T.columns.sum(axis=1))
    assert (loss(ready(Forward(), transposed), model) - by_hand).abs() > 0.01


def test_zeros_of_t_and_certain_predictions_are_finite():
    model = model_of()
    with torch.no_grad():
        model.head.weight *= 1e4
    strategy = ready(Forward(), TransitionMatrix([[1, 0.5, 0], [0, 0.5, 0], [0, 0, 1]]))
    total = loss(strategy, model)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(model.head.weight.grad).all()


def test_a_given_matrix_must_fit_and_be_one():
    with pytest.raises(UserError, match=r"strategy\.transition is 2×2, but the dataset has 3 classes"):
        Forward(transition=[[0.9, 0.1], [0.1, 0.9]]).setup(TASK, model_of(), criterion)
    with pytest.raises(ValueError, match="columns must sum to 1"):
        Forward(transition=[[0.9, 0.1], [0.2, 0.9]])
    with pytest.raises(ValueError, match="from_run"):
        Forward(transition="knwon")
