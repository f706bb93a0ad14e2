"""Plain training, then two players: each one's gradient is its own loss's; the copy stays, and survives an interruption."""

import numpy as np
import pytest
import torch

from src import checkpoint
from src.errors import UserError
from src.models import mlr
from src.models.mlr import MLR
from src.strategies.adda import ADDA
from src.strategies.erm import ERM
from src.task import Task
from tests.strategies.domains import (
    Noisy,
    accuracy_on_the_target,
    batch,
    criterion,
    gradients,
    made,
    two_domain_file,
)
from tests.test_training import Interrupted, only_run, same


def batches():
    return batch(8, 0), batch(6, 1, hidden=True, seed=1, shift=0.5)


def adapting(made_with=None):
    """After the switch and a step by which the two encoders differ."""
    model, strategy = made(ADDA(hidden=16), made_with)
    strategy.loss(model, *batches(), None, 0.5)
    with torch.no_grad():
        model.body.weight += 0.1
    return model, strategy


def test_the_warm_up_is_plain_training_and_reads_no_hidden_target():
    (model, strategy), (source, target) = made(ADDA(warm_up=0.4)), batches()
    plain = made(ERM())[1].loss(model, source, None, None, 0.0)["total"]
    found = strategy.loss(model, source, target, None, 0.39)
    assert torch.equal(found["total"], plain)
    assert not strategy.adapting
    seen = batch(6, 1, seed=1)
    assert strategy.loss(model, source, seen, None, 0.39)["total"] != plain
    assert "domain" in strategy.loss(model, source, target, None, 0.4)
    assert strategy.adapting


def test_the_copy_is_made_once_at_the_switch_and_learns_no_more():
    model, strategy = made(ADDA(hidden=16))
    with torch.no_grad():
        model.body.weight.mul_(2)
    strategy.loss(model, *batches(), None, 0.5)
    assert same(strategy.encoder.state_dict(), model.state_dict())
    before = {name: value.clone() for name, value in strategy.encoder.state_dict().items()}
    optimizer = torch.optim.AdamW(strategy.parameter_groups(model), 0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        strategy.loss(model, *batches(), None, 0.6)["total"].backward()
        optimizer.step()
    assert same(strategy.encoder.state_dict(), before)
    assert torch.equal(model.head.weight, before["head.weight"])
    assert not torch.equal(model.body.weight, before["body.weight"])


def test_each_player_has_the_gradient_of_its_own_loss():
    """The discriminator's: cross-entropy of the truth; the model's: of inverted labels, source for the target's examples."""
    (model, strategy), (source, target) = adapting(), batches()
    here, there = strategy.encoder.features(source.x), model.features(target.x)
    logits = strategy.head(torch.cat([here, there]))
    truth = torch.nn.functional.cross_entropy(logits, torch.tensor([0] * 8 + [1] * 6))
    inverted = -logits[8:].log_softmax(dim=1)[:, 0].mean()
    found = strategy.loss(model, source, target, None, 0.7)
    torch.testing.assert_close([found["domain"], found["mapping"]], [truth, inverted])
    head = [*strategy.head.parameters()]
    torch.testing.assert_close(gradients(found["total"], *head), gradients(truth, *head))
    (ours,), (expected,) = (gradients(loss, model.body.weight) for loss in (found["total"], inverted))
    torch.testing.assert_close(ours, expected)
    assert expected.abs().sum() > 1e-3
    found["total"].backward()
    assert model.head.weight.grad is None
    assert all(parameter.grad is None for parameter in strategy.encoder.parameters())


def test_domain_accuracy_is_that_of_the_discriminator():
    (model, strategy), (source, target) = adapting(), batches()
    said = strategy.head(torch.cat([strategy.encoder.features(source.x), model.features(target.x)])).argmax(dim=1)
    right = (said[:8] == 0).sum() + (said[8:] == 1).sum()
    assert strategy.loss(model, source, target, None, 0.7)["domain_accuracy"] == right / 14


def test_events_without_weight_teach_neither():
    (model, strategy), (source, target) = adapting(), batches()
    source.weight, target.weight = torch.arange(8) % 2 + 0.0, torch.arange(6) % 2 + 0.0
    found = strategy.loss(model, source, target, None, 0.7)
    source.x[::2], target.x[::2] = 100, -100
    torch.testing.assert_close(strategy.loss(model, source, target, None, 0.7)["total"], found["total"])


def test_of_the_same_data_a_discriminator_cannot_tell_encoders_with_the_same_weights_apart():
    """In training, where both drop nodes and normalise by their batch; with the copy in evaluation mode: 0.98."""
    torch.manual_seed(0)
    model, strategy = made(ADDA(hidden=32), Noisy())
    optimizer = torch.optim.Adam(strategy.head.parameters(), 0.01)
    accuracy = []
    for step in range(150):
        here, there = batch(64, 0, seed=step), batch(64, 1, hidden=True, seed=step)
        found = strategy.loss(model, here, there, None, 0.7)
        optimizer.zero_grad()
        found["domain"].backward()
        optimizer.step()
        accuracy.append(found["domain_accuracy"].item())
    assert np.mean(accuracy[50:]) == pytest.approx(0.5, abs=0.02)  # 12,800 features: a sd of 0.004


@pytest.mark.parametrize("training", [True, False])
def test_the_copy_is_in_the_models_mode_and_its_weights_stay(training):
    (source, target), (model, strategy) = batches(), adapting(made_with=Noisy())
    before = {name: value.clone() for name, value in strategy.encoder.named_parameters()}
    model.train(training)
    strategy.loss(model, source, target, None, 0.7)["total"].backward()
    assert strategy.encoder.norm.training == strategy.encoder.training == training
    assert all(torch.equal(value, before[name]) for name, value in strategy.encoder.named_parameters())


def test_the_copys_weights_have_no_penalty():
    model, strategy = MLR(), ADDA()
    model.l2 = 0.1
    model.setup(Task(("a", "b"), ("x", "y"), "vector", (6,)))
    strategy.setup(Task(("a", "b"), ("x", "y"), "vector", (6,)), model, criterion)
    assert strategy.encoder.penalty() is None
    assert model.penalty() is not None


def test_it_carries_what_was_learned_over_a_shift():
    """Measured: 0.46 without, 0.92 with it."""
    assert accuracy_on_the_target(ADDA(hidden=50)) > 0.8


@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_run_goes_on_with_the_same_bits(train, tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr(mlr, "MLR", Noisy)
    arguments = [*two_domain_file(tmp_path / "data_root"), "strategy=adda", "strategy.hidden=16", "trainer.epochs=4"]

    def interrupt(epoch, metrics):
        if epoch == stop_after:
            raise Interrupted

    whole = train(*arguments, f"runs_root={tmp_path / 'whole'}")
    with pytest.raises(Interrupted):
        train(*arguments, f"runs_root={tmp_path / 'broken'}", on_epoch=interrupt)
    assert train(*arguments, f"runs_root={tmp_path / 'broken'}", "trainer.resume=true") == whole
    a, b = (checkpoint.load(only_run(tmp_path / root) / "last.pt") for root in ("whole", "broken"))
    assert same(a["model"], b["model"])
    assert same(a["strategy"], b["strategy"])
    assert a["strategy"]["adapting"]
    assert "encoder.norm.running_mean" in a["strategy"]


def test_one_domain_is_refused():
    with pytest.raises(UserError, match="strategy=adda needs a dataset with two domains"):
        ADDA().setup(Task(("a", "b"), ("all",), "vector", (6,)), MLR(), criterion)
    model, strategy = made(ADDA())
    with pytest.raises(UserError, match="strategy=adda: there is no batch of a second domain"):
        strategy.loss(model, batch(4, 0), None, None, 0.9)
