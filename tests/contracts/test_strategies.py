"""What every strategy promises, for each YAML in conf/strategy."""

import copy

import pytest
import torch

from src import checkpoint
from src.models.mlr import MLR
from src.seeding import seed_torch
from src.strategies.base import Predictor, Strategy
from src.strategies.meta_weight_net import MetaWeightNet
from src.task import HIDDEN, Batch, Task
from src.transition_matrix import TransitionMatrix
from tests.contracts import yamls
from tests.strategies import fitting

T = TransitionMatrix([[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]])
TASK = Task(("a", "b", "c"), ("here", "there"), "vector", (4,), class_counts=(26, 11, 23), transition=T)
NAMES = yamls.names("strategy")
LOSSES = [name for name in NAMES if yamls.target("strategy", name).loss is not Strategy.loss]
strategies = pytest.mark.parametrize("name", NAMES)
losses_only = pytest.mark.parametrize("name", LOSSES)
not_losses = pytest.mark.parametrize("name", [name for name in NAMES if name not in LOSSES])


def criterion(log_probs, y):
    return -log_probs.gather(1, y[:, None]).squeeze(1)


def batch(n=30, domain=0, seed=0, hidden=False, one_class=False):
    """Classes and domains are separable: class c sits at +4 on axis c, domain 1 at +4 on axis 3."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.zeros(n, dtype=torch.int64) if one_class else torch.arange(n) % 3
    x = torch.randn(n, 4, generator=generator)
    x[torch.arange(n), y] += 4
    x[:, 3] += 4 * domain
    return Batch(
        x, torch.full_like(y, HIDDEN) if hidden else y, torch.full((n,), domain), torch.ones(n), torch.arange(n)
    )


def made(name):
    seed_torch(0, "model")
    model, strategy = MLR(), yamls.build("strategy", name)
    model.setup(TASK)
    strategy.setup(TASK, model, criterion)
    return model, strategy


def losses(model, strategy, seed=0, progress=0.5, **changes):
    """One loss with the batches that the strategy says it reads (or those given).

    What the weights' network of meta_weight_net has learned before the step is taken back.
    """
    torch.manual_seed(seed)
    before = copy.deepcopy(strategy.state_dict())
    given = {"source": batch(), "target": batch(domain=1, seed=1, hidden=True) if strategy.uses_target else None,
             "clean": batch(seed=2) if strategy.uses_clean else None}  # fmt: skip
    found = strategy.loss(model, **{**given, **changes}, progress=progress)
    if isinstance(strategy, MetaWeightNet):
        strategy.load_state_dict(before)
    return found


@strategies
def test_the_yaml_is_the_signature(name):
    cls, content = yamls.target("strategy", name), yamls.load("strategy", name)
    content.pop("_target_")
    assert content == yamls.signature_defaults(cls)


@losses_only
def test_total_is_a_finite_scalar_whose_gradient_reaches_the_backbone(name):
    class Backbone(MLR):
        def setup(self, task):
            super().setup(task)
            self.body = torch.nn.Linear(4, 4)

        def features(self, x):
            return self.body(x)

    seed_torch(0, "model")
    model, strategy = Backbone(), yamls.build("strategy", name)
    model.setup(TASK)
    strategy.setup(TASK, model, criterion)
    found = losses(model, strategy)
    assert all(value.ndim == 0 and torch.isfinite(value) for value in found.values())
    found["total"].backward()
    assert model.body.weight.grad.abs().sum() > 0


@losses_only
def test_same_seed_same_losses(name):
    model, strategy = made(name)
    assert losses(model, strategy, seed=5) == losses(model, strategy, seed=5)


@losses_only
def test_it_minimises_one_thing_from_beginning_to_end_or_says_that_it_does_not(name):
    """An optimizer that takes all examples to one minimum would stop at that of the beginning."""
    model, strategy = made(name)
    strategy.eval()  # dropout is held still for such an optimizer
    found = []
    for seed, progress in enumerate((0.0, 0.3, 0.95)):
        model.zero_grad()
        strategy.zero_grad()
        losses(model, strategy, seed=seed, progress=progress)["total"].backward()
        everything = [*model.parameters(), *strategy.parameters()]
        found.append(torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in everything]))
    constant = all(torch.allclose(found[0], other, rtol=1e-4, atol=1e-6) for other in found)
    assert strategy.changes or hasattr(strategy, "lr_factor") or constant


@losses_only
def test_a_batch_of_one_class_is_survived(name):
    model, strategy = made(name)
    assert torch.isfinite(losses(model, strategy, source=batch(one_class=True))["total"])


@losses_only
def test_a_separable_set_is_learned(name):
    model, strategy = made(name)
    optimizer = torch.optim.Adam([*model.parameters(), *strategy.parameters()], 0.05)
    for step in range(150):
        optimizer.zero_grad()
        losses(model, strategy, seed=step, progress=step / 150)["total"].backward()
        optimizer.step()
    predictor = Predictor(model, strategy)
    predictor.eval()
    here, there = batch(90, seed=3), batch(90, domain=1, seed=4)
    domains = strategy.predicts == "domain"
    p = predictor.scores(torch.cat([here.x, there.x]) if domains else here.x)
    truth = torch.cat([here.domain, there.domain]) if domains else here.y
    assert (p.argmax(dim=1) == truth).float().mean() > 0.9
    torch.testing.assert_close(p.sum(dim=1), torch.ones(len(p)))


@losses_only
def test_uses_target_and_uses_clean_tell_the_truth(name):
    model, strategy = made(name)
    base = losses(model, strategy)
    hidden = name != "freeze_domain_nodes"  # it looks at unlabelled targets between the epochs, not in the loss
    seen, other = (losses(model, strategy, target=batch(domain=1, seed=s, hidden=hidden))["total"] for s in (1, 9))
    assert (seen != other) == strategy.uses_target
    found = losses(model, strategy, clean=batch(seed=9))  # meta_weight_net's first step, by Adam, may be the same in V
    assert any(found[key] != base[key] for key in base) == strategy.uses_clean


@losses_only
def test_uses_weight_tells_the_truth(name):
    model, strategy = made(name)
    weighed = batch()
    weighed.weight = torch.linspace(0.5, 2, 30)
    assert (
        losses(model, strategy, source=weighed)["total"] != losses(model, strategy)["total"]
    ) == strategy.uses_weight


@losses_only
def test_the_state_round_trips(name):
    model, strategy = made(name)
    before = losses(model, strategy)["total"]
    state = copy.deepcopy(strategy.state_dict())
    for parameter in strategy.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    strategy.load_state_dict(state)
    assert losses(model, strategy)["total"] == before


# --- strategies that are not a loss: what `fit` promises ---


@not_losses
def test_a_fit_learns_a_separable_set_and_leaves_the_record_of_a_run(name, tmp_path):
    epochs = []
    x, y = fitting.blobs()
    new_x, new_y = fitting.blobs(seed=1)
    trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, y), on_epoch=lambda epoch, found: epochs.append(found))
    p = fitting.scores(fitting.fitted(yamls.build("strategy", name), trainer), new_x)
    assert (p.argmax(dim=1).numpy() == new_y).mean() > 0.9
    torch.testing.assert_close(p.sum(dim=1), torch.ones(len(p)))
    assert all("val/balanced_accuracy" in found for found in epochs)
    assert 1 <= trainer.progress.best_epoch <= trainer.progress.epoch == len(epochs) <= trainer.options.epochs


@not_losses
def test_a_fit_is_repeated_and_loaded_to_the_same_bits(name, tmp_path):
    x, y = fitting.blobs()
    once, again = (
        fitting.scores(fitting.fitted(yamls.build("strategy", name), trainer), x)
        for trainer in [fitting.trainer_on(tmp_path, fitting.split_of(x, y), select="last") for _ in range(2)]
    )
    assert torch.equal(once, again)
    strategy = yamls.build("strategy", name)
    _, model = fitting.ready(strategy, fitting.trainer_on(tmp_path, fitting.split_of(x, y)))
    assert not torch.equal(strategy.scores(model, torch.from_numpy(x)), once)
    strategy.load_state_dict(checkpoint.load(tmp_path / "last.pt")["strategy"])
    assert torch.equal(strategy.scores(model, torch.from_numpy(x)), once)
    strategy.load_state_dict(checkpoint.load(tmp_path / "best.pt")["strategy"])


@not_losses
def test_a_fit_is_exported_for_batches_of_any_size(name, tmp_path):
    x, y = fitting.blobs()
    trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, y))
    predictor = fitting.fitted(yamls.build("strategy", name), trainer)

    class Scores(torch.nn.Module):
        def forward(self, x):
            return predictor.scores(x)

    program = torch.export.export(Scores(), (torch.from_numpy(x[:2]),), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.testing.assert_close(program.module()(torch.from_numpy(x)), fitting.scores(predictor, x))


@not_losses
def test_a_fit_survives_labels_of_one_class(name, tmp_path):
    x, y = fitting.blobs()
    trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, 0 * y))
    p = fitting.scores(fitting.fitted(yamls.build("strategy", name), trainer), x)
    assert torch.isfinite(p).all()
    assert (p.argmax(dim=1) == 0).all()


@not_losses
def test_who_fits_reads_no_other_batch(name):
    cls = yamls.target("strategy", name)
    assert not cls.uses_target
    assert not cls.uses_clean
