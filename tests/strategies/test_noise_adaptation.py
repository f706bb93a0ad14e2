import json

import numpy as np
import pytest
import torch

from src import checkpoint
from src.noise_models.estimators import error
from src.strategies.forward import Forward
from src.strategies.noise_adaptation import NoiseAdaptation
from src.task import Batch
from src.transition_matrix import TransitionMatrix
from tests.strategies import gaussians
from tests.strategies.linear import TASK, T, X, Y, criterion, loss, model_of, ready
from tests.test_training import only_run


def test_frozen_at_t_it_is_forward_correction_bit_for_bit():
    model = model_of()
    frozen = loss(ready(NoiseAdaptation(start=1.0), T), model)
    assert frozen == loss(ready(Forward(), T), model)
    frozen.backward()
    assert model.head.weight.grad.abs().sum() > 0


def test_where_it_begins_to_learn_it_is_forward_correction_still():
    model = model_of()
    begun, frozen = ready(NoiseAdaptation(start=0.0, trace=0.0), T), ready(Forward(), T)
    torch.testing.assert_close(loss(begun, model), loss(frozen, model), rtol=1e-6, atol=1e-6)


def test_its_gradient_is_that_of_the_likelihood_and_only_after_the_start():
    """d -log (T p)_y / dT[i, j] = -p_j / (T p)_y where i = y, through the softmax over i."""
    model, strategy = model_of(), ready(NoiseAdaptation(start=0.5, trace=0.0), T)
    batch = Batch(X, Y, 0 * Y, torch.ones(len(Y)), torch.arange(len(Y)))
    strategy.loss(model, batch, None, None, 0.49)["total"].backward()
    assert strategy.noise_layer.grad is None
    strategy.loss(model, batch, None, None, 0.5)["total"].backward()
    matrix, p = strategy.learned().detach(), model(X).softmax(dim=1).detach()
    direct = torch.zeros(3, 3, dtype=torch.float64)
    for y, row in zip(Y, p, strict=True):
        direct[y] -= row / (matrix[y] @ row) / len(Y)
    expected = matrix * (direct - (matrix * direct).sum(dim=0))
    torch.testing.assert_close(strategy.noise_layer.grad, expected, rtol=1e-6, atol=1e-8)


def test_older_checkpoints_are_read():
    model, written, read = model_of(), ready(NoiseAdaptation(), T), ready(NoiseAdaptation(spread=0.3), T)
    torch.nn.init.normal_(written.noise_layer)
    state = written.state_dict()
    state["logits"] = state.pop("noise_layer")
    read.load_state_dict(state)
    assert torch.equal(read.learned(), written.learned())
    assert torch.equal(read.logits(model, X), model(X))


def test_near_the_identity_its_columns_sum_to_one():
    strategy = NoiseAdaptation(spread=0.3)
    strategy.setup(TASK, model_of(), criterion)
    expected = [[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]]
    torch.testing.assert_close(strategy.learned().detach(), torch.tensor(expected))


def test_the_trace_counts_against_the_diagonal():
    model = model_of()
    without, with_it = (loss(ready(NoiseAdaptation(trace=trace), T), model) for trace in (0.0, 0.3))
    assert (with_it - without).item() == pytest.approx(0.3 * (0.9 + 0.4 + 0.8) / 3, abs=1e-6)


def test_it_finds_t_where_the_model_is_right():
    start = TransitionMatrix(0.7 * np.eye(3) + 0.1)
    strategy, right = gaussians.trained(NoiseAdaptation(), start)
    assert error(start, T) > 0.3
    assert error(gaussians.matrix_of(strategy.learned()), T) < 0.1
    assert right > 0.9


def test_a_run_records_what_it_learned_and_its_checkpoint_scores(train, tmp_path):
    train(
        "dataset=digits", "dataset.classes=[0,1,2]", "model=mlr", "noise_model=mnist05", "strategy=noise_adaptation",
        "optimizer=adam", "schedule=onecycle", "trainer.epochs=2", "strategy.start=0.5", "trainer.select=last",
        "figures=false",
    )  # fmt: skip
    folder = only_run(tmp_path / "runs_root")
    record = json.loads((folder / "transition.json").read_text())
    layer = checkpoint.load(folder / "last.pt")["strategy"]["noise_layer"]
    assert record["source"] == "learned: noise layer"
    np.testing.assert_allclose(record["matrix"], layer.softmax(dim=0), atol=1e-6)
    assert (
        np.abs(np.array(record["matrix"]) - checkpoint.load(folder / "last.pt")["strategy"]["T"].numpy()).max() > 1e-4
    )
