"""A small double-precision linear problem for identities, with a T that is neither symmetric nor doubly stochastic."""

import torch

from src.models.mlr import MLR
from src.task import Batch, Task
from src.transition_matrix import TransitionMatrix

T = TransitionMatrix([[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]])
TASK = Task(("a", "b", "c"), ("all",), "vector", (5,), class_counts=(30, 20, 10), transition=T)
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(60, 5, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(0, 3, (60,), generator=GENERATOR)


def criterion(log_probs, y):
    return -log_probs.gather(1, y[:, None]).squeeze(1)


def model_of(seed=0):
    torch.manual_seed(seed)
    model = MLR()
    model.setup(TASK)
    return model.double()


def ready(strategy, matrix, model=None, weighted=criterion):
    """The strategy in double precision with a transition matrix."""
    strategy.setup(TASK, model or model_of(), weighted)
    strategy.double()
    strategy.use(matrix)
    return strategy


def loss(strategy, model, y=Y, x=X):
    return strategy.loss(model, Batch(x, y, 0 * y, torch.ones(len(y)), torch.arange(len(y))), None, None, 0.5)["total"]
