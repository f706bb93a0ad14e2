import torch

from src.models.mlr import MLR
from src.strategies.erm import ERM
from src.task import Batch, Task


def test_plain_training_is_cross_entropy():
    task = Task(("a", "b", "c"), ("all",), "vector", (4,))
    model, strategy = MLR(), ERM()
    model.setup(task)
    strategy.setup(task, model, lambda log_probs, y: -log_probs.gather(1, y[:, None]).squeeze(1))
    x, y = torch.randn(9, 4), torch.arange(9) % 3
    total = strategy.loss(model, Batch(x, y, y * 0, torch.ones(9), y), None, None, 0.0)["total"]
    torch.testing.assert_close(total, torch.nn.functional.cross_entropy(model(x), y))
