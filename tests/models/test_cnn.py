import pytest
import torch

from src.errors import UserError
from src.models.cnn import CNN
from src.task import Task


def task(shape):
    return Task(("a", "b", "c"), ("all",), "image", shape)


def test_the_label_noise_studys_network():
    model = CNN()
    model.setup(task((3, 32, 32)))
    assert model.feature_dim == 3200
    convolutions = 5 * 5 * 3 * 32 + 32 + 3 * 3 * 32 * 64 + 64 + 3 * 3 * 64 * 128 + 128
    linear = 3200 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 3 + 3
    assert sum(p.numel() for p in model.parameters()) == convolutions + linear


def test_dropout_acts_in_training_only():
    model = CNN()
    model.setup(task((3, 32, 32)))
    z = torch.rand(2, 3200)
    model.train()
    assert not torch.equal(model.classify(z), model.classify(z))
    model.eval()
    assert torch.equal(model.classify(z), model.classify(z))


def test_too_small_a_picture_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="model=cnn needs larger pictures than 8 × 8"):
        CNN().setup(task((1, 8, 8)))
