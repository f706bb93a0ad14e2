"""What every imbalance strategy promises, for each YAML in conf/imbalance_strategy."""

import numpy as np
import pytest
import torch

from src.datasets.inputs import ArrayInputs
from src.imbalance_strategies.weighted import Weighted
from src.task import Split
from tests.contracts import yamls
from tests.contracts.sized import ready

names = pytest.mark.parametrize("name", yamls.names("imbalance_strategy"))
LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [900, 90, 10]))


def made(name):
    return ready(yamls.build("imbalance_strategy", name), LABELS, 3, batch_size=7)


@names
def test_the_yaml_is_the_signature(name):
    content = yamls.load("imbalance_strategy", name)
    content.pop("_target_")
    assert content == yamls.signature_defaults(yamls.target("imbalance_strategy", name))


@names
def test_only_training_positions_are_drawn_and_the_generator_decides(name):
    strategy = made(name)
    a, b, c = (strategy.order(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert a.dtype == np.int64
    assert a.min() >= 0
    assert a.max() < len(LABELS)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert len(a) == len(c)


@names
def test_every_class_is_drawn(name):
    assert set(LABELS[made(name).order(np.random.default_rng(0))]) == {0, 1, 2}


@names
def test_the_criterion_gives_one_finite_loss_per_example(name):
    log_probs = torch.randn(30, 3).log_softmax(dim=1).requires_grad_()
    loss = made(name).criterion(log_probs, torch.arange(30) % 3)
    assert loss.shape == (30,)
    assert torch.isfinite(loss).all()
    loss.mean().backward()
    assert log_probs.grad.abs().sum() > 0


@names
def test_a_weight_of_the_class_is_all_that_the_criterion_is_unless_it_says_so(name):
    """What strategies with a loss of their own rely on (`Strategy.weight`)."""
    strategy = made(name)
    p, y = torch.randn(30, 3).log_softmax(dim=1), torch.arange(30) % 3
    weight = strategy.criterion(torch.full((3, 3), -1.0), torch.arange(3))[y]
    plain = -p.gather(1, y[:, None]).squeeze(1)
    assert torch.allclose(strategy.criterion(p, y), weight * plain, rtol=1e-5) == (not strategy.reshapes)


@names
def test_the_effective_prior_is_what_the_loss_sees(name):
    """Counted over an epoch: how often a class is drawn times how much an example of it weighs."""
    strategy = made(name)
    drawn = np.bincount(LABELS[strategy.order(np.random.default_rng(0))], minlength=3)
    prior = strategy.effective_prior()
    assert prior.shape == (3,)
    assert (prior > 0).all()
    if strategy.reshapes and strategy.balances and name != "combined":
        return  # its own test says which mix the scores are of
    flat = torch.full((3, 3), -1.0)
    weight = 1.0 if strategy.reshapes or strategy.adjusts_scores else strategy.criterion(flat, torch.arange(3)).numpy()
    seen = drawn * weight
    assert np.allclose(seen / seen.sum(), prior / prior.sum(), atol=0.03)


@names
def test_the_drawn_prior_is_what_an_epoch_draws(name):
    strategy = made(name)
    drawn = np.bincount(LABELS[strategy.order(np.random.default_rng(0))], minlength=3)
    prior = strategy.drawn_prior()
    assert np.allclose(drawn / drawn.sum(), prior / prior.sum(), atol=0.03)


@names
def test_it_changes_the_class_mix_if_and_only_if_it_says_so(name):
    strategy = made(name)
    natural = np.bincount(LABELS) / len(LABELS)
    if name == "smote":
        strategy.setup(np.repeat([0, 1, 2], 900), 3)  # as its new examples leave it
    if name == "progressive":
        strategy.at(1.0)
        strategy.order(np.random.default_rng(0))
    prior = strategy.effective_prior() / strategy.effective_prior().sum()
    assert np.allclose(prior, natural, atol=0.01) == (not strategy.balances)


@names
def test_being_told_the_progress_and_asked_again_changes_no_answer(name):
    """A step may ask for a loss more than once (line searches, gradients of gradients)."""
    strategy = made(name)
    strategy.at(0.3)
    p, y = torch.randn(30, 3).log_softmax(dim=1), torch.arange(30) % 3
    assert torch.equal(strategy.criterion(p, y), strategy.criterion(p, y))


@names
def test_the_state_round_trips(name):
    strategy, other = made(name), made(name)
    p, y = torch.randn(30, 3).log_softmax(dim=1), torch.arange(30) % 3
    for step in range(3):
        strategy.at(step / 4)
        strategy.criterion(p, y)
    other.load_state_dict(strategy.state_dict())
    for each in (strategy, other):
        each.at(0.75)
    assert torch.equal(strategy.criterion(p, y), other.criterion(p, y))


@names
def test_scores_are_adjusted_if_and_only_if_it_says_so(name):
    strategy = made(name)
    offset = strategy.score_offset()
    assert (offset is not None) == strategy.adjusts_scores
    if offset is not None:
        assert offset.shape == (3,)
        assert np.isfinite(offset).all()


@names
def test_new_examples_come_behind_the_old_ones_if_and_only_if_it_says_so(name):
    rng = np.random.default_rng(0)
    zeros, ones = np.zeros(60, dtype=np.int64), np.ones(60)
    y = np.repeat([0, 1, 2], [40, 15, 5])
    split = Split(
        ArrayInputs(rng.integers(0, 255, (60, 1, 3, 3)).astype(np.uint8), "unit"),
        np.arange(60),
        y,
        y,
        zeros,
        ones,
        ones.astype(bool),
    )
    strategy = yamls.build("imbalance_strategy", name)
    longer = strategy.extend(split, np.random.default_rng(0))
    assert (len(longer) > 60) == strategy.synthesises
    assert np.array_equal(longer.labels[:60], y)
    everything, old = torch.from_numpy(longer.rows), torch.arange(60)
    cpu = torch.device("cpu")
    assert torch.equal(longer.inputs.fetch(everything, cpu)[:60], split.inputs.fetch(old, cpu))


@names
def test_a_missing_class_is_survived(name):
    strategy = yamls.build("imbalance_strategy", name)
    with np.errstate(all="raise"):
        if isinstance(strategy, Weighted):
            with pytest.warns(UserWarning, match="no training example of class"):
                ready(strategy, np.repeat([0, 2], 5), 3, batch_size=7)
        else:
            ready(strategy, np.repeat([0, 2], 5), 3, batch_size=7)
    assert set(np.repeat([0, 2], 5)[strategy.order(np.random.default_rng(0))]) == {0, 2}
    assert np.isfinite(strategy.effective_prior()).all()
    assert strategy.effective_prior()[1] == 0
    y = torch.arange(8) % 2 * 2
    assert torch.isfinite(strategy.criterion(torch.randn(8, 3).log_softmax(dim=1), y)).all()


@names
def test_the_progress_changes_something_only_if_it_says_so(name):
    strategy = made(name)
    p, y = torch.randn(30, 3).log_softmax(dim=1), torch.arange(30) % 3

    def answers(progress):
        strategy.at(progress)
        drawn = strategy.order(np.random.default_rng(0))
        return drawn.tolist(), strategy.criterion(p, y).tolist(), strategy.effective_prior().tolist()

    assert (answers(0.0) == answers(1.0)) or strategy.changes
