import torch

from src.models.mlr import MLR
from src.strategies.discriminator import Discriminator
from src.task import HIDDEN, Batch, Task

TASK = Task(("a", "b", "c"), ("genie", "gibuu"), "vector", (4,))


def test_it_never_reads_a_class_label():
    model, strategy = MLR(), Discriminator(dropout=0.0)
    model.setup(TASK)
    strategy.setup(TASK, model, None)
    x, y = torch.randn(12, 4), torch.arange(12) % 3

    def batch(labels, domain):
        return Batch(x, labels, torch.full((12,), domain), torch.ones(12), torch.arange(12))

    seen = strategy.loss(model, batch(y, 0), batch(y, 1), None, 0.0)["total"]
    unseen = strategy.loss(model, batch(y.flip(0), 0), batch(torch.full_like(y, HIDDEN), 1), None, 0.0)["total"]
    assert torch.equal(seen, unseen)
    assert strategy.scores(model, x).shape == (12, 2)
