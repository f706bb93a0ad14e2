import pytest

from src.errors import UserError
from src.models.lenet import LeNet
from src.task import Task


@pytest.mark.parametrize(("shape", "features"), [((1, 28, 28), 64 * 7 * 7), ((1, 8, 8), 64 * 2 * 2)])
def test_two_poolings_leave_a_quarter_of_each_side(shape, features):
    model = LeNet()
    model.setup(Task(("a", "b"), ("all",), "image", shape))
    assert model.feature_dim == features


def test_depth_counts_the_hidden_layers():
    sizes = []
    for depth in (1, 2, 4):
        model = LeNet(depth=depth)
        model.setup(Task(("a", "b"), ("all",), "image", (1, 8, 8)))
        sizes.append(sum(p.numel() for p in model.parameters()))
    layer = 128 * 128 + 128
    assert [size - sizes[0] for size in sizes] == [0, layer, 3 * layer]


def test_every_convolution_halves_the_sides():
    model = LeNet(channels=[16, 32, 64])
    model.setup(Task(("a", "b"), ("all",), "image", (1, 28, 28)))
    assert model.feature_dim == 64 * 3 * 3
    with pytest.raises(UserError, match="model=lenet needs larger pictures than 4 × 4"):
        model.setup(Task(("a", "b"), ("all",), "image", (1, 4, 4)))


def test_weights_are_as_wide_as_said_and_biases_zero():
    model = LeNet(channels=[16, 32, 64], init_std=0.1)
    model.setup(Task(("a", "b"), ("all",), "image", (1, 28, 28)))
    weights, biases = model.convolutions[6].weight, model.convolutions[6].bias
    assert weights.abs().max() <= 0.2
    assert float(weights.std()) == pytest.approx(0.088, abs=0.002)  # of a normal distribution truncated at two sigma
    assert biases.abs().max() == 0


def test_vectors_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="model=lenet takes images, not vectors; try model=mlr"):
        LeNet().setup(Task(("a", "b"), ("all",), "vector", (20,)))
