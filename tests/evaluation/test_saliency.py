import numpy as np
import pytest
import torch
from torch.nn import functional as F

from src.errors import UserError
from src.evaluation import saliency_figures
from src.evaluation.saliency import FALSE, MISSED, TOP, grad_cam, input_gradients, telling
from src.models.lenet import LeNet
from src.models.mlr import MLR
from src.models.resnet18 import ResNet18
from src.models.resnet32 import ResNet32
from src.seeding import seed_torch
from src.task import Task


def made(model, shape, classes=2):
    seed_torch(0, "model")
    model.setup(Task(tuple(str(c) for c in range(classes)), ("all",), "image", shape))
    return model


def squares(n, side=32, seed=0):
    """Noise; pictures of class 1 have a bright square of 6 × 6 somewhere. Also where it is, (n, side, side)."""
    rng = np.random.default_rng(seed)
    x, y = 0.4 * rng.random((n, 1, side, side)).astype(np.float32), np.arange(n) % 2
    there = np.zeros((n, side, side), dtype=bool)
    for i in np.flatnonzero(y):
        row, column = rng.integers(2, side - 8, 2)
        there[i, row : row + 6, column : column + 6] = True
    x[:, 0][there] = 0.9
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(there)


@pytest.fixture(scope="module")
def trained():
    x, y, _ = squares(256)
    model = made(LeNet(channels=[8, 16]), (1, 32, 32)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(60):
        rows = torch.arange(step * 32, step * 32 + 32) % 256
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    x, y, _ = squares(100, seed=1)
    assert (model(x).argmax(1) == y).float().mean() > 0.97
    return model


@pytest.mark.parametrize(("maps_of", "least"), [(grad_cam, 0.6), (input_gradients, 0.4)])
def test_what_alone_decides_the_class_lights_up(trained, maps_of, least):
    """Near the square, a fifth of the picture, lies most of the map (gradients are scattered), and its maximum."""
    x, y, there = squares(64, seed=2)
    x, there = x[y == 1], there[y == 1]
    maps = maps_of(trained, x, torch.ones(32, dtype=torch.int64))
    assert maps.shape == (32, 32, 32)
    assert maps.min() >= 0
    near = F.max_pool2d(there[:, None].float(), 9, 1, 4)[:, 0].bool()  # 8 × 8 places on 32 pixels: 4 pixels each
    share = (maps * near).sum((1, 2)) / maps.sum((1, 2))
    assert near.float().mean() < 0.2
    assert share.median() > least
    assert near.flatten(1).gather(1, maps.flatten(1).argmax(1)[:, None]).float().mean() > 0.9


def test_of_means_and_a_linear_layer_it_is_the_class_activation_map():
    """Zhou 2016, equation 2; for two classes the weights are those of the difference."""
    model, x = made(ResNet32(), (3, 32, 32)).eval(), torch.rand(3, 3, 32, 32)
    maps = model.trunk(x)
    weight = model.head.weight
    for target in (0, 1):
        cam = torch.einsum("c,bchw->bhw", weight[target] - weight[1 - target], maps).relu() / (8 * 8)
        ours = grad_cam(model, x, torch.full((3,), target))
        theirs = F.interpolate(cam[:, None], (32, 32), mode="bilinear", align_corners=False)[:, 0]
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("side", "stage"), [(128, "layer4"), (64, "layer3"), (32, "layer2")])
def test_the_last_maps_with_four_places_a_side_are_shown_even_if_the_stages_are_frozen(side, stage):
    model = made(ResNet18(), (3, side, side), classes=3)
    model.backbone.requires_grad_(False)
    x, target = torch.rand(2, 3, side, side), torch.tensor([0, 2])
    seen = []
    getattr(model.backbone, stage).register_forward_hook(lambda *given: seen.append(given[2]))
    maps = grad_cam(model, x, target)
    assert seen[0].shape[2:] == (4, 4)
    evidence = model(x.requires_grad_())
    own = evidence.gather(1, target[:, None]).squeeze(1)
    others = evidence.scatter(1, target[:, None], -torch.inf).logsumexp(dim=1)
    (gradient,) = torch.autograd.grad((own - others).sum(), seen[-1])
    cam = (gradient.mean(dim=(2, 3), keepdim=True) * seen[-1]).sum(dim=1, keepdim=True).relu()
    expected = F.interpolate(cam, (side, side), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(maps, expected.detach(), rtol=1e-4, atol=1e-6)
    assert maps.shape == (2, side, side)
    assert len(maps[0].unique()) > 2
    assert sum(len(layer._forward_hooks) for layer in model.modules()) == 1, "ours are gone"


def test_other_logits_by_way_of_the_model_have_maps_of_their_own():
    """Those of another last layer on the same features, against a model that has it; and the same if they are the model's."""
    model, x, target = made(ResNet32(), (3, 32, 32)).eval(), torch.rand(3, 3, 32, 32), torch.tensor([0, 1, 1])
    other = made(ResNet32(), (3, 32, 32)).eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.head.weight.copy_(torch.randn_like(other.head.weight))
    ours = grad_cam(model, x, target, lambda pictures: other.head(model.penultimate(model.features(pictures))))
    torch.testing.assert_close(ours, grad_cam(other, x, target))
    assert not torch.allclose(ours, grad_cam(model, x, target))
    torch.testing.assert_close(grad_cam(model, x, target, model), grad_cam(model, x, target))


def test_an_image_s_map_does_not_depend_on_its_batch(trained):
    x, y, _ = squares(6, seed=3)
    for maps_of in (grad_cam, input_gradients):
        torch.testing.assert_close(maps_of(trained, x, y)[2:3], maps_of(trained, x[2:3], y[2:3]))


def test_gradients_of_a_linear_model_are_its_weights():
    model, x = made(MLR(), (2, 5, 4)), torch.rand(3, 2, 5, 4)
    difference = (model.head.weight[1] - model.head.weight[0]).view(2, 5, 4).abs().amax(0)
    torch.testing.assert_close(
        input_gradients(model, x, torch.tensor([1, 0, 1])), difference.detach().expand(3, -1, -1)
    )
    with pytest.raises(UserError, match="Grad-CAM needs a model with convolutions"):
        grad_cam(model, x, torch.tensor([1, 0, 1]))


def test_the_telling_ones_are_the_extremes():
    score = np.array([0.9, 0.2, 0.8, 0.1, 0.6, 0.95])
    positive = np.array([True, True, False, False, False, True])
    groups = {name: rows.tolist() for name, rows in telling(score, positive, 2).items()}
    assert groups == {TOP: [5, 0], FALSE: [2, 4], MISSED: [1, 0]}
    assert telling(score, np.zeros(6, dtype=bool), 9)[MISSED].tolist() == []


def test_the_figure_has_a_picture_and_a_map_for_each():
    rng, n = np.random.default_rng(0), 6
    score, positive = np.array([0.9, 0.2, 0.8, 0.1, 0.6, 0.95]), np.array([True, True, False, False, False, True])
    groups = telling(score, positive, 2)
    figure = saliency_figures.saliency(
        rng.random((n, 2, 8, 6)), rng.random((n, 8, 6)), score, positive, groups, "a", views=2
    )
    assert len(figure.axes) == 12
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 2, 2] * 3
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["0.950", "0.900", "0.800", "0.600", "0.200", "0.900"]
    assert figure.axes[0].images[0].get_array().shape == (8, 12)
    heat = saliency_figures.overlay(np.array([[0.0, 2.0], [1.0, 0.0]]))[..., 3]
    assert heat.tolist() == [[0.0, 0.75], [0.375, 0.0]]
    assert np.isfinite(saliency_figures.overlay(np.zeros((2, 2)))).all()


def test_empty_groups_leave_room():
    nothing = {TOP: np.array([0]), MISSED: np.array([], dtype=np.int64)}
    figure = saliency_figures.saliency(
        np.ones((1, 1, 4, 4)), np.ones((1, 4, 4)), np.ones(1), np.ones(1, bool), nothing, "a"
    )
    assert len(figure.axes) == 4


def test_a_compiled_model_has_the_same_map_and_stays_compiled(trained):
    x, y, _ = squares(4, seed=4)
    expected = grad_cam(trained, x, y)
    trained.features = compiled = torch.compile(trained.features, backend="aot_eager")
    try:
        trained(x.requires_grad_())
        torch.testing.assert_close(grad_cam(trained, x, y), expected)
        by_hand = grad_cam(trained, x, y, lambda pictures: trained.classify(trained.features(pictures)))
        torch.testing.assert_close(by_hand, expected)
        assert trained.features is compiled
    finally:
        del trained.features
