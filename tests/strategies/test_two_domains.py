"""Event weights count in every loss that says so, whatever their unit; without examples of a second domain nothing starts."""

from types import SimpleNamespace

import pytest
import torch

from src.errors import UserError
from src.strategies.base import weighted_mean
from src.strategies.dann import DANN
from src.strategies.discriminator import Discriminator
from src.strategies.domain_head import domain_loss
from src.strategies.erm import ERM
from tests.contracts import yamls
from tests.strategies.domains import batch, gradients, made

WEIGHING = [name for name in yamls.names("strategy") if yamls.target("strategy", name).uses_weight]


def test_the_weighted_mean_is_the_mean_with_repetitions():
    loss, times = torch.rand(9), torch.tensor([1, 3, 1, 2, 1, 5, 1, 1, 4])
    torch.testing.assert_close(weighted_mean(loss, times.float()), loss.repeat_interleave(times).mean())
    assert weighted_mean(loss, torch.zeros(9)) == 0


@pytest.mark.parametrize("n", [1, 2, 7, 64, 255, 1000])
def test_for_weights_of_1_losses_are_the_plain_ones_to_the_bit(n):
    logits = torch.randn(n, 3, generator=torch.Generator().manual_seed(n), requires_grad=True)
    y, ones = torch.arange(n) % 3, torch.ones(n)
    each = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    pairs = [
        (weighted_mean(each, ones), each.mean()),
        (domain_loss(logits, y, ones), torch.nn.functional.cross_entropy(logits, y)),
    ]
    for ours, plain in pairs:
        assert torch.equal(ours, plain)
        assert torch.equal(*gradients(ours, logits), *gradients(plain, logits))


@pytest.mark.parametrize(
    "strategy", [ERM(), DANN(scale=1.0, dropout=0.0), Discriminator(dropout=0.0)], ids=lambda s: type(s).__name__
)
def test_an_event_of_weight_n_counts_as_n_events(strategy):
    model, strategy = made(strategy)
    times = {0: torch.tensor([1, 2, 1, 3, 1, 1]), 1: torch.tensor([2, 1, 4, 1])}
    batches = [[batch(len(times[d]), d, seed=d) for d in (0, 1)] for _ in range(2)]
    for d, weighed in enumerate(batches[0]):
        weighed.weight = times[d].float()
    for d, repeated in enumerate(batches[1]):
        for name in ("x", "y", "domain", "weight", "index"):
            setattr(repeated, name, getattr(repeated, name).repeat_interleave(times[d], dim=0))
    ours, theirs = (strategy.loss(model, *both, None, 0.5)["total"] for both in batches)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", WEIGHING)
def test_the_unit_of_weights_does_not_matter(name):
    found = []
    for unit in (1.0, 100.0):
        model, strategy = made(yamls.build("strategy", name))
        strategy.eval()
        batches = [batch(9, d, hidden=d == 1, seed=d, shift=d, weight=unit * torch.linspace(0.5, 2, 9)) for d in (0, 1)]
        found.append(strategy.loss(model, *batches, None, 0.7)["total"])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dann", "discriminator", "mmd", "coral", "cdan", "adda", "freeze_domain_nodes"])
def test_without_examples_of_a_second_domain_nothing_starts(name):
    model, strategy = made(yamls.build("strategy", name))
    with pytest.raises(UserError, match=f"strategy={name}: the training split has no example of a second domain; .*"):
        strategy.fit(None, model, SimpleNamespace(target=None))
