import pytest
import torch

from src.errors import UserError
from src.models.wrn import WRN
from src.task import Task


def network(shape=(3, 32, 32), classes=10, **options):
    model = WRN(**options)
    model.setup(Task(tuple(str(c) for c in range(classes)), ("all",), "image", shape))
    return model


def parameters(**options):
    with torch.device("meta"):  # counted without memory
        return sum(p.numel() for p in network(**options).parameters())


def by_hand(depth, width, channels=3, classes=10):
    n, total, before = (depth - 4) // 6, 9 * channels * 16, 16
    for out in (16 * width, 32 * width, 64 * width):
        total += 9 * before * out + (2 * n - 1) * 9 * out * out  # 3 × 3 convolutions
        total += before * out if before != out else 0  # projection
        total += 2 * before + (2 * n - 1) * 2 * out  # batch norms
        before = out
    return total + 2 * before + before * classes + classes


def test_wrn_28_10_is_the_papers():
    """36.5 million."""
    assert parameters() == by_hand(28, 10) == 36_479_194
    assert parameters(classes=100) == 36_479_194 + 90 * 641


@pytest.mark.parametrize(
    ("depth", "width", "millions"), [(40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (16, 8, 11.0), (22, 8, 17.2)]
)
def test_other_depths_and_widths_are_the_papers_too(depth, width, millions):
    assert parameters(depth=depth, width=width) == by_hand(depth, width)
    assert parameters(depth=depth, width=width) / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 28), (1, 32), (3, 32)])
def test_two_stages_halve_the_picture_and_the_means_are_left(channels, side):
    model = network((channels, side, side), depth=10, width=2).eval()
    x = torch.rand(2, channels, side, side)
    assert model.trunk(x).shape == (2, 128, side // 4, side // 4)
    assert model.features(x).shape == (2, model.feature_dim) == (2, 128)
    assert model(x).shape == (2, 10)


def test_a_block_whose_convolutions_are_silent_lets_its_input_pass():
    model = network(depth=16, width=1).eval()
    x = torch.rand(2, 3, 8, 8)
    block = model.trunk[1]
    assert block.projection is None
    torch.nn.init.zeros_(block.layers[-1].weight)
    stem = model.trunk[0](x)
    assert torch.equal(block(stem), stem)


def test_dropout_acts_in_training_only():
    model = network(depth=10, width=1, dropout=0.5)
    x = torch.rand(2, 3, 8, 8)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("depth", [4, 12, 27])
def test_a_depth_without_whole_stages_is_refused(depth):
    with pytest.raises(ValueError, match=rf"depth={depth}: give 6 n \+ 4"):
        WRN(depth=depth)


def test_vectors_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="model=wrn takes images, not vectors; try model=mlr"):
        WRN().setup(Task(("a", "b"), ("all",), "vector", (20,)))
