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


def test_its_scores_are_the_softmax_of_its_head():
    model, strategy = MLR(), Discriminator()
    model.setup(TASK)
    strategy.setup(TASK, model, None)
    x, linear = torch.randn(12, 4), strategy.eval().head[1]
    expected = strategy.head[4](linear(x).relu())
    torch.testing.assert_close(strategy.logits(model, x), expected)
    torch.testing.assert_close(strategy.scores(model, x), expected.softmax(dim=1))
    assert expected.shape == (12, 2)
