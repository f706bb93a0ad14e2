import torch

from src.models.resnet50 import ResNet50
from src.task import Task


def test_parameters_are_counted_as_published():
    """25,557,032 with the last layer of 1,000 classes, says torchvision."""
    model = ResNet50()
    model.setup(Task(("a", "b"), ("all",), "image", (3, 64, 64)))
    assert model.feature_dim == 2048
    assert sum(p.numel() for p in model.backbone.parameters()) == 25_557_032 - 2049 * 1000 == 23_508_032
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [512, 128, 2], "three fully connected layers"
