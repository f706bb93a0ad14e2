import pytest

from src.errors import UserError
from src.models.lenet import LeNet
from src.task import Task


@pytest.mark.parametrize(("shape", "features"), [((1, 28, 28), 64 * 7 * 7), ((1, 8, 8), 64 * 2 * 2)])
def test_two_poolings_leave_a_quarter_of_each_side(shape, features):
    model = LeNet()
    model.setup(Task(("a", "b"), ("all",), "image", shape))
    assert model.feature_dim == features


def test_vectors_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="model=lenet takes images, not vectors; try model=mlr"):
        LeNet().setup(Task(("a", "b"), ("all",), "vector", (20,)))
