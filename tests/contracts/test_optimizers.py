"""Every YAML in conf/optimizer and conf/schedule is a class of torch's kind, with options that it has."""

import inspect

import pytest
import torch

from tests.contracts import yamls


@pytest.mark.parametrize("name", yamls.names("optimizer"))
def test_optimizers_take_their_options_and_lower_a_loss(name):
    options = yamls.load("optimizer", name)
    options.pop("_target_")
    cls = yamls.target("optimizer", name)
    assert issubclass(cls, torch.optim.Optimizer)
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = cls([weight], **options)

    def closure():
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    for _ in range(50):
        optimizer.step(closure)
    assert (weight**2).sum() < 3


@pytest.mark.parametrize("name", [n for n in yamls.names("schedule") if n != "none"])
def test_schedules_know_the_number_of_steps(name):
    options = yamls.load("schedule", name)
    cls = yamls.target("schedule", name)
    options.pop("_target_")
    assert "total_steps" in options.values() or "milestones" in options  # which are steps themselves
    assert set(options) <= set(inspect.signature(cls).parameters)
