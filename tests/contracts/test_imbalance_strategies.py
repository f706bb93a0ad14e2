"""What every imbalance strategy promises, for each YAML in conf/imbalance_strategy."""

import numpy as np
import pytest
import torch

from tests.contracts import yamls

names = pytest.mark.parametrize("name", yamls.names("imbalance_strategy"))
LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [900, 90, 10]))


def made(name):
    strategy = yamls.build("imbalance_strategy", name)
    strategy.setup(LABELS, 3)
    return strategy


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
def test_the_effective_prior_is_what_the_loss_sees(name):
    """Counted over an epoch: how often a class is drawn times how much an example of it weighs."""
    strategy = made(name)
    drawn = LABELS[strategy.order(np.random.default_rng(0))]
    flat = torch.full((3, 3), -1.0)
    weight = strategy.criterion(flat, torch.arange(3)).numpy()
    seen = np.bincount(drawn, minlength=3) * weight
    prior = strategy.effective_prior()
    assert np.allclose(seen / seen.sum(), prior / prior.sum(), atol=0.03)


@names
def test_a_missing_class_is_survived(name):
    strategy = yamls.build("imbalance_strategy", name)
    with np.errstate(all="raise"):
        if name == "class_weights":
            with pytest.warns(UserWarning, match="no training example of class"):
                strategy.setup(np.repeat([0, 2], 5), 3)
        else:
            strategy.setup(np.repeat([0, 2], 5), 3)
    assert set(np.repeat([0, 2], 5)[strategy.order(np.random.default_rng(0))]) == {0, 2}
    assert np.isfinite(strategy.effective_prior()).all()
