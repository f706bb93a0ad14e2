"""Observed classes that are drawn or weighed otherwise than they occur: T, and the class mix that the scores are of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from src.strategies.backward import Backward
from src.strategies.erm import ERM
from src.strategies.flipped import Flipped
from src.strategies.forward import Forward
from src.strategies.noise_adaptation import NoiseAdaptation
from src.strategies.rmlr import RMLR
from src.strategies.t_revision import TRevision
from tests.strategies.linear import TASK, T, criterion, loss

MIX = np.array([0.7, 0.25, 0.05])
COUNTS = (10**6 * T.columns @ MIX).round()
OCCURS = COUNTS / COUNTS.sum()
HERE = np.array([0.3, 0.5, 0.2])
"""P(true | x) of the one x that there is."""
DRAWN = {"as they are": OCCURS, "balanced": np.full(3, 1 / 3)}
WEIGHTS = {"all alike": np.ones(3), "class weights": 1 / OCCURS}
CORRECTED = [Forward(), RMLR(), Backward(), Flipped(), NoiseAdaptation(transition="known", start=1.0)]
drawn_and_weighed = pytest.mark.parametrize(
    ("drawn", "weights"),
    [pytest.param(d, w, id=f"{a}, {b}") for a, d in DRAWN.items() for b, w in WEIGHTS.items()],
)


class Free(nn.Module):
    """Any logits, the same for every x."""

    def __init__(self):
        super().__init__()
        self.z = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, x):
        return self.z.expand(len(x), 3)


def told(strategy, drawn, weights):
    """The strategy, which knows T and has been told what an epoch draws and what the criterion weighs."""
    w = torch.from_numpy(weights)
    task = replace(TASK, class_counts=tuple(int(n) for n in COUNTS))
    strategy.setup(task, Free(), lambda log_probs, y: w[y] * criterion(log_probs, y))
    strategy.use(T)
    strategy.double()
    strategy.sees(drawn, drawn * weights)
    return strategy


def fitted(strategy, drawn):
    """What it scores x by where its expected loss over the labels observed there is smallest."""
    model, x = Free(), torch.zeros(1, 5, dtype=torch.float64)
    shares = drawn / OCCURS * (T.columns @ HERE)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=500, tolerance_grad=1e-13, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        total = sum(share * loss(strategy, model, torch.tensor([y]), x) for y, share in enumerate(shares))
        total.backward()
        return total

    optimizer.step(closure)
    return strategy.scores(model, x)[0].detach().double().numpy()


@drawn_and_weighed
@pytest.mark.parametrize("strategy", CORRECTED, ids=lambda s: type(s).__name__)
def test_scores_are_true_posteriors_at_a_class_mix_that_it_knows(strategy, drawn, weights):
    told(strategy, drawn, weights)
    knows = Forward() if isinstance(strategy, NoiseAdaptation) else strategy  # the layer may learn: it does not say
    mix = told(knows, drawn, weights).class_mix(drawn * weights)
    expected = HERE * mix / MIX
    np.testing.assert_allclose(fitted(strategy, drawn), expected / expected.sum(), atol=1e-5)


def test_a_class_mix_that_is_given_is_taken_for_true():
    strategy = told(Flipped(decode="bayes", prior=[0.2, 0.3, 0.5]), DRAWN["balanced"], np.ones(3))
    assert strategy.true_mix(OCCURS).tolist() == [0.2, 0.3, 0.5]
    expected = np.array([0.2, 0.3, 0.5]) * (1 / OCCURS @ T.columns)
    mix = strategy.class_mix(DRAWN["balanced"])
    np.testing.assert_allclose(mix / mix.sum(), expected / expected.sum(), rtol=1e-5)


@drawn_and_weighed
@pytest.mark.parametrize("strategy", [*CORRECTED, TRevision()], ids=lambda s: type(s).__name__)
def test_the_matrix_of_all_examples_stays_known(strategy, drawn, weights):
    told(strategy, drawn, weights)
    np.testing.assert_allclose(strategy.of_all(strategy.now()).columns, T.columns, atol=1e-6)
    strategy.sees(OCCURS, OCCURS)
    np.testing.assert_allclose(strategy.now().columns, T.columns, atol=1e-6)


def test_what_a_noise_layer_has_learned_is_kept():
    strategy = told(NoiseAdaptation(transition="known"), OCCURS, np.ones(3))
    with torch.no_grad():
        strategy.noise_layer += torch.arange(9.0).view(3, 3)
    before = strategy.learned().detach().numpy()
    strategy.sees(DRAWN["balanced"], DRAWN["balanced"])
    joint = before / OCCURS[:, None]
    np.testing.assert_allclose(strategy.learned().detach().numpy(), joint / joint.sum(axis=0), atol=1e-6)


def test_a_resumed_training_is_not_told_twice():
    strategy = told(Forward(), DRAWN["balanced"], np.ones(3))
    fresh = told(Forward(), OCCURS, np.ones(3))
    fresh.load_state_dict(strategy.state_dict())
    fresh.sees(DRAWN["balanced"], DRAWN["balanced"])
    assert torch.equal(fresh.T, strategy.T)


def test_a_checkpoint_from_before_counts_all_alike():
    strategy = told(Forward(), OCCURS, np.ones(3))
    state = strategy.state_dict()
    del state["factor"], state["valued"]
    strategy.load_state_dict(state)
    np.testing.assert_allclose(strategy.factor.numpy(), 1, atol=1e-6)


@drawn_and_weighed
@pytest.mark.parametrize("strategy", CORRECTED, ids=lambda s: type(s).__name__)
def test_what_it_says_of_observed_labels_is_of_those_that_occur(strategy, drawn, weights):
    told(strategy, drawn, weights)
    expected = T.columns @ HERE
    np.testing.assert_allclose(
        strategy.observed(fitted(strategy, drawn)[None])[0], expected / expected.sum(), atol=1e-5
    )
    assert np.array_equal(ERM().observed(HERE[None]), HERE[None])
