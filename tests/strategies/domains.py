"""Two domains in six dimensions: batches, a network with a linear body, runs on a file; and a shift to be adapted to."""

import numpy as np
import torch

from src.models.mlr import MLR
from src.seeding import seed_torch
from src.task import HIDDEN, Batch, Task

TASK = Task(("a", "b", "c"), ("genie", "gibuu"), "vector", (6,))


def criterion(log_probs, y):
    return -log_probs.gather(1, y[:, None]).squeeze(1)


def batch(n, domain, hidden=False, seed=0, shift=0.0, weight=None):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (n,), generator=generator)
    labels = torch.full_like(y, HIDDEN) if hidden else y
    x = torch.randn(n, 6, generator=generator) + shift
    return Batch(
        x, labels, torch.full((n,), domain), torch.ones(n) if weight is None else weight, torch.arange(n)
    )  # fmt: skip


class Body(MLR):
    def setup(self, task):
        super().setup(task)
        self.body = torch.nn.Linear(6, 6)

    def features(self, x):
        return self.body(x)


class Noisy(Body):
    """With batch norm and dropout, so that it has features of its own in training."""

    def setup(self, task):
        super().setup(task)
        self.norm, self.dropout = torch.nn.BatchNorm1d(6), torch.nn.Dropout(0.5)

    def features(self, x):
        return self.dropout(self.norm(super().features(x)))


def made(strategy, model=None):
    seed_torch(0, "model")
    model = model or Body()
    model.setup(TASK)
    strategy.setup(TASK, model, criterion)
    return model, strategy


def gradients(total, *parameters):
    return torch.autograd.grad(total, parameters, retain_graph=True)


def shifted(n, domain, seed):
    """Class c sits at +3 on axis c; the target lies 3 further on axes 0 and 3, so that their difference does not shift."""
    found = batch(n, domain, seed=seed)
    found.x[torch.arange(n), found.y] += 3
    found.x[:, [0, 3]] += 3 * domain
    return found


def accuracy_on_the_target(strategy, steps=300, lr=0.005):
    """After a training on shifted domains in which the target's labels are hidden. Plain training has below 0.5."""
    model, strategy = made(strategy)
    source, target = shifted(64, 0, 1), shifted(64, 1, 2)
    unseen = Batch(target.x, torch.full_like(target.y, HIDDEN), target.domain, target.weight, target.index)
    optimizer = torch.optim.Adam(strategy.parameter_groups(model), lr)
    for step in range(steps):
        optimizer.zero_grad()
        torch.manual_seed(step)
        strategy.loss(model, source, unseen, None, step / steps)["total"].backward()
        optimizer.step()
    new = shifted(1000, 1, 3)
    strategy.eval()
    return (strategy.scores(model, new.x).argmax(dim=1) == new.y).float().mean().item()


def two_domain_file(root):
    """The arguments for a linear model of 400 examples: two classes, axis 0, in two domains, axis 1; axis 5 is always 1."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    domain = np.arange(400) % 2
    X = rng.normal(size=(400, 6)).astype(np.float32)
    X[:, 0] += 3 * y
    X[:, 1] += 3 * domain
    X[:, 5] = 1
    root.mkdir()
    np.savez(root / "two.npz", X=X, y=y, domain=domain)
    return [
        "dataset=arrays", "dataset.path=two.npz", "model=mlr", "optimizer=adam", "optimizer.lr=0.02", "schedule=onecycle",
        "trainer.batch_size=48", "trainer.select=last", "figures=false",
    ]  # fmt: skip
