import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from src.evaluation.predictions import load
from src.imbalance_strategies.logit_adjustment import LogitAdjustment
from src.predict import Options, predict
from src.task import Task
from tests.contracts import yamls
from tests.test_training import only_run

LABELS = np.repeat([0, 1, 2], [70, 25, 5])
PRIOR = torch.tensor([0.70, 0.25, 0.05], dtype=torch.float64)


def made(**options):
    strategy = LogitAdjustment(**options)
    strategy.setup(LABELS, 3)
    return strategy


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_from_log_probabilities_it_is_the_formula_on_logits(tau):
    z, y = torch.randn(40, 3, dtype=torch.float64), torch.arange(40) % 3
    ours = made(tau=tau).criterion(z.log_softmax(1), y)
    torch.testing.assert_close(ours, F.cross_entropy(z + tau * PRIOR.log(), y, reduction="none"), rtol=1e-6, atol=1e-6)


def test_at_tau_one_it_is_the_balanced_softmax():
    z, y = torch.randn(40, 3, dtype=torch.float64), torch.arange(40) % 3
    counts = torch.tensor([70.0, 25, 5], dtype=torch.float64)
    balanced = -((counts * z.exp()).gather(1, y[:, None]).squeeze(1) / (counts * z.exp()).sum(1)).log()
    torch.testing.assert_close(made().criterion(z.log_softmax(1), y), balanced, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("tau", [0.5, 1.0, 1.5])
def test_either_way_the_posterior_is_that_of_another_class_mix(tau):
    """The minimiser of the loss, and the adjusted posterior, are Bayes' posterior for the mix that is called effective."""
    likelihood = torch.rand(6, 3, dtype=torch.float64)
    posterior = likelihood * PRIOR / (likelihood * PRIOR).sum(1, keepdim=True)
    effective = torch.from_numpy(made(tau=tau).effective_prior())
    wanted = (likelihood * effective / (likelihood * effective).sum(1, keepdim=True)).log()
    offset = torch.from_numpy(made(tau=tau, mode="post_hoc").score_offset())
    torch.testing.assert_close((posterior.log() - offset).log_softmax(1), wanted)
    p = wanted.clone().requires_grad_()
    strategy = made(tau=tau)
    risk = sum((posterior[:, c] * strategy.criterion(p.log_softmax(1), torch.full((6,), c))).sum() for c in range(3))
    risk.backward()
    assert p.grad.abs().max() < 1e-6


def test_post_hoc_trains_plainly():
    p, y = torch.randn(40, 3).log_softmax(1), torch.arange(40) % 3
    torch.testing.assert_close(made(mode="post_hoc").criterion(p, y), F.nll_loss(p, y, reduction="none"))


def test_a_class_without_examples_counts_as_if_it_had_one():
    strategy = LogitAdjustment(mode="post_hoc")
    strategy.setup(np.repeat([0, 2], [90, 10]), 3)
    np.testing.assert_allclose(np.exp(strategy.score_offset()), [0.9, 0.01, 0.1])


RUN = ["dataset=digits", "dataset.classes=[3,8,9]", "dataset.imbalance_ratio=20", "model=mlr", "figures=false"]


def test_post_hoc_scores_are_the_plain_ones_over_the_class_mix_and_prediction_uses_them(train, tmp_path):
    train(*RUN, f"runs_root={tmp_path / 'plain'}", "trainer.select=last")
    post_hoc = ["imbalance_strategy=logit_adjustment", "imbalance_strategy.mode=post_hoc"]
    train(*RUN, f"runs_root={tmp_path / 'adjusted'}", "trainer.select=last", *post_hoc)
    plain, adjusted = (only_run(tmp_path / name) for name in ("plain", "adjusted"))
    counts = np.array(json.loads((plain / "task.json").read_text())["class_counts"])
    p, q = (load(folder / "predictions.npz")["test"].probabilities for folder in (plain, adjusted))
    wanted = p / counts
    np.testing.assert_allclose(q, wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7)
    assert np.abs(p - q).max() > 0.1
    np.testing.assert_allclose(json.loads((adjusted / "task.json").read_text())["training_prior"], [1 / 3] * 3)
    pictures = np.zeros((2, 8, 8))
    np.savez(tmp_path / "new.npz", X=pictures)
    tables = [predict(Options(run=str(folder), data=str(tmp_path / "new.npz"))) for folder in (plain, adjusted)]
    p, q = (table[["p_3", "p_8", "p_9"]].to_numpy() for table in tables)
    wanted = p / counts
    np.testing.assert_allclose(q, wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-4)


def test_a_checkpoint_from_before_there_were_offsets_is_read():
    strategy = yamls.build("strategy", "erm")
    strategy.setup(Task(("a", "b"), ("all",), "vector", (4,)), None, None)
    state = strategy.state_dict()
    strategy.score_offset.fill_(1.0)
    strategy.load_state_dict(state | {"score_offset": torch.tensor([0.5, 0.25])})
    assert strategy.score_offset.tolist() == [0.5, 0.25]
    strategy.load_state_dict({})
    assert strategy.score_offset.tolist() == [0.5, 0.25]
