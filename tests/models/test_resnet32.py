import pytest
import torch

from src.errors import UserError
from src.models.resnet32 import Padded, ResNet32
from src.task import Task


def network(shape=(3, 32, 32), classes=10, **options):
    model = ResNet32(**options)
    model.setup(Task(tuple(str(c) for c in range(classes)), ("all",), "image", shape))
    return model


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def by_hand(channels=3, classes=10):
    """Weights of the 31 convolutions, two numbers a channel of each batch norm, the linear layer."""
    total = 9 * channels * 16 + 2 * 16
    before = 16
    for width in (16, 32, 64):
        total += 9 * before * width + 9 * 9 * width * width + 10 * 2 * width
        before = width
    return total + 64 * classes + classes


def test_parameter_counts_are_the_papers():
    """0.46 million (He 2016, table 6)."""
    assert parameters(network()) == by_hand() == 464_154
    assert parameters(network(shortcut="B")) == 464_154 + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64) == 466_906
    assert parameters(network(shape=(1, 28, 28), classes=2)) == by_hand(1, 2)


def test_it_has_32_layers_with_weights():
    layers = [m for m in network().modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 32


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 28), (1, 32), (3, 32), (3, 33)])
def test_two_stages_halve_the_picture_and_64_means_are_left(channels, side, shortcut):
    model = network((channels, side, side), shortcut=shortcut).eval()
    x = torch.rand(2, channels, side, side)
    assert model.trunk(x).shape == (2, 64, -(-side // 4), -(-side // 4))
    assert model.features(x).shape == (2, model.feature_dim) == (2, 64)
    assert model(x).shape == (2, 10)


def test_the_shortcut_without_parameters_is_every_other_cell_and_zeros():
    x = torch.rand(2, 16, 7, 7)
    y = Padded(16, 2)(x)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any()
    assert not y[:, 24:].any()


def test_a_block_whose_convolutions_are_silent_is_its_shortcut():
    model = network().eval()
    for block in model.trunk[3:]:
        torch.nn.init.zeros_(block.layers[-1].weight)  # of its last batch norm
    x = torch.rand(2, 3, 32, 32)
    stem = model.trunk[:3](x)
    kept = Padded(32, 2)(Padded(16, 2)(stem))
    torch.testing.assert_close(model.trunk(x), kept)


def test_vectors_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="model=resnet32 takes images, not vectors; try model=mlr"):
        ResNet32().setup(Task(("a", "b"), ("all",), "vector", (20,)))
