import pytest
import torch
from torch import nn

from src.errors import UserError
from src.models.cnn6 import CHANNELS, CNN6
from src.task import Task


def network(shape=(2, 100, 80), **options):
    torch.manual_seed(0)
    model = CNN6(**options)
    model.setup(Task(("nc", "nue", "numu"), ("all",), "image", shape, views=shape[0]))
    return model


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_six_blocks_of_convolution_pooling_and_dropout():
    model = network()
    kinds = [type(layer) for layer in model.convolutions]
    assert kinds == 6 * [nn.Conv2d, nn.MaxPool2d, nn.ReLU, nn.Dropout] + [nn.AdaptiveAvgPool2d]
    convolutions = sum(9 * a * b + b for a, b in zip((2, *CHANNELS), CHANNELS, strict=False))
    assert parameters(model) == convolutions + (128 * 128 + 128) + (128 * 3 + 3)


def test_features_are_the_means_of_the_last_maps():
    model = network((3, 200, 130)).eval()
    x = torch.rand(2, 3, 200, 130)
    maps = model.convolutions[:-1](x)
    assert maps.shape == (2, 128, 3, 2)
    torch.testing.assert_close(model.features(x), maps.mean(dim=(2, 3)))
    assert model.feature_dim == 128


def test_a_smaller_width_means_fewer_parameters():
    counts = [parameters(network(width=width)) for width in (0.01, 0.125, 0.5, 1.0)]
    assert counts == sorted(counts)
    assert counts[1] < counts[3] / 20
    assert network(width=0.125).feature_dim == 16
    assert network(width=0.01)(torch.rand(2, 2, 100, 80)).shape == (2, 3)


def test_the_hidden_layer_is_as_wide_as_said():
    model = network(hidden=32)
    assert model.penultimate(model.features(torch.rand(2, 2, 100, 80))).shape == (2, 32)


def test_untrained_outputs_depend_on_nearly_empty_pictures():
    """2 % of the cells are lit: with PyTorch's own start the relative spread of the features is below 2 %."""
    x = torch.rand(64, 2, 100, 80) * (torch.rand(64, 2, 100, 80) < 0.02)
    z = network().eval().features(x).detach()
    assert z.std(dim=0).mean() > 0.1 * z.mean()


@pytest.mark.parametrize(("shape", "accepted"), [((1, 64, 64), True), ((1, 63, 64), False), ((3, 32, 32), False)])
def test_pictures_too_small_for_six_poolings_are_refused_in_a_sentence(shape, accepted):
    if accepted:
        assert network(shape).feature_dim == 128
    else:
        with pytest.raises(UserError, match=f"model=cnn6 needs larger pictures than {shape[1]} × {shape[2]}"):
            network(shape)


def test_dropout_acts_in_training_only():
    model, x = network(dropout=0.5), torch.rand(2, 2, 100, 80)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))
