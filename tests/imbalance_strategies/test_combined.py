import numpy as np
import pytest
import torch

from src.imbalance_strategies.combined import Combined
from tests.contracts import yamls

LABELS = np.repeat([0, 1, 2], [70, 25, 5])
SAMPLERS = ["oversample", "undersample", "sqrt", "progressive", "frequency", "smote"]  # that change the class mix


def made(**options):
    strategy = Combined(**options)
    strategy.setup(LABELS, 3)
    return strategy


def part(name):
    strategy = yamls.build("imbalance_strategy", name)
    strategy.setup(LABELS, 3)
    return strategy


def test_it_draws_as_the_one_and_weighs_as_the_other():
    both, p, y = made(sampler="oversample", loss="focal"), torch.randn(30, 3).log_softmax(1), torch.arange(30) % 3
    order = both.order(np.random.default_rng(0))
    assert np.array_equal(order, part("oversample").order(np.random.default_rng(0)))
    assert torch.equal(both.criterion(p, y), part("focal").criterion(p, y))


def test_the_parts_take_options():
    both = made(sampler="frequency", sampler_options={"factors": [1, 2, 7]}, loss="focal", loss_options={"gamma": 1.5})
    assert np.bincount(LABELS[both.order(np.random.default_rng(0))]).tolist() == [70, 50, 35]
    assert both.loss.gamma == 1.5


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("loss", ["class_weights", "effective_number", "logit_adjustment"])
def test_two_that_change_the_class_mix_are_refused_unless_asked_for(sampler, loss):
    with pytest.raises(
        ValueError, match=f"sampler={sampler} and loss={loss} both change the class mix .*double_correction=true"
    ):
        Combined(sampler=sampler, loss=loss)
    assert made(sampler=sampler, loss=loss, double_correction=True).balances


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("loss", ["focal", "recall", "ldam"])
def test_losses_without_weights_go_with_any_sampler(sampler, loss):
    strategy = made(sampler=sampler, loss=loss)
    p, y = torch.randn(30, 3).log_softmax(1), torch.arange(30) % 3
    assert torch.isfinite(strategy.criterion(p, y)).all()


def test_a_double_correction_has_the_product_of_both_for_a_prior():
    prior = made(sampler="oversample", loss="class_weights", double_correction=True).effective_prior()
    np.testing.assert_allclose(
        prior / prior.sum(), (1 / np.array([70, 25, 5])) / (1 / np.array([70, 25, 5])).sum(), rtol=1e-6
    )


@pytest.mark.parametrize(("options", "why"), [
    ({"sampler": "focal"}, "sampler=focal: it draws all examples alike"),
    ({"loss": "oversample"}, "loss=oversample: it leaves the loss alone"),
    ({"sampler": "oversampel"}, "did you mean 'oversample'"),
    ({"sampler": "combined"}, "sampler=combined: not an option that it combines"),
    ({"loss": "../strategy/erm"}, "not an option that it combines"),
    ({"sampler": "frequency", "sampler_options": {"factor": [1, 7]}}, r"sampler_options.factor: .* did you mean 'factors'"),
    ({"loss": "focal", "loss_options": {"gamma": -1}}, r"loss_options.gamma=-1: Input should be greater"),
    ({"sampler": "frequency", "sampler_options": {"factors": [1, 7], "threshold": 0.1}}, "threshold or factors, not both"),
])  # fmt: skip
def test_what_does_not_fit_is_a_sentence(options, why):
    with pytest.raises(ValueError, match=why):
        Combined(**options)


def test_it_says_of_itself_what_its_parts_say():
    assert made(loss="ldam").cosine_head
    assert made(loss="recall").batchwise
    assert made(sampler="smote").synthesises
    assert not made(sampler="smote").embeds
