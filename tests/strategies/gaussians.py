"""Three Gaussian classes in two dimensions with observed labels drawn from T, and a short full-batch training on them."""

import torch

from src.models.mlr import MLR
from src.task import Batch, Task
from src.training import obey_factors
from src.transition_matrix import TransitionMatrix
from tests.strategies.linear import T, criterion

TASK = Task(("a", "b", "c"), ("all",), "vector", (2,), class_counts=(1000, 1000, 1000), transition=T)


def sample(n=3000):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 3
    centres = torch.tensor([[0.0, 2.0], [-1.7, -1.0], [1.7, -1.0]])
    x = centres[y] + torch.randn(n, 2, generator=generator)
    columns = torch.from_numpy(T.columns.copy()).float()
    observed = torch.multinomial(columns.T[y], 1, generator=generator).squeeze(1)
    return x, y, observed


def trained(strategy, matrix, steps=300, lr=0.05):
    """The strategy after a training that starts from the matrix; and the share of right predictions."""
    x, y, observed = sample()
    torch.manual_seed(0)
    model = MLR()
    model.setup(TASK)
    strategy.setup(TASK, model, criterion)
    strategy.use(matrix)
    batch = Batch(x, observed, 0 * y, torch.ones(len(y)), torch.arange(len(y)))
    optimizer = torch.optim.Adam(strategy.parameter_groups(model), lr)
    obey_factors(optimizer)
    for step in range(steps):
        optimizer.zero_grad()
        strategy.loss(model, batch, None, None, step / steps)["total"].backward()
        optimizer.step()
    return strategy, (strategy.scores(model, x).argmax(dim=1) == y).float().mean().item()


def matrix_of(columns):
    return TransitionMatrix(columns.detach().double().numpy())
