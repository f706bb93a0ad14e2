"""The study's own numbers, and that the towers of the views really are separate."""

import pytest
import torch

from src.errors import UserError
from src.models.mobilenet import GaussianDropout, MobileNet
from src.strategies.dann import DANN
from src.task import Task


def network(classes=3, views=2, channels=None, **options):
    names = tuple(str(c) for c in range(classes))
    model = MobileNet(**options)
    task = Task(names, ("genie", "gibuu"), "image", (channels or views, 100, 80), views=views)
    model.setup(task)
    return model, task


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters() if p.requires_grad)


def test_parameter_counts_are_the_studys():
    model, task = network()
    assert parameters(model) == 394_548
    assert sum(b.numel() for name, b in model.named_buffers() if "running" in name) == 3_536
    assert parameters(network(classes=2)[0]) == 393_524
    dann = DANN()
    dann.setup(task, model, lambda log_probs, y: log_probs)
    assert parameters(model, dann) == 435_894


def test_the_width_scales_every_layer_and_leaves_none_empty():
    counts = {width: parameters(network(width=width)[0]) for width in (0.01, 0.125, 0.25, 0.5)}
    assert [*counts.values()] == sorted(counts.values())
    assert counts[0.25] == 394_548
    model, _ = network(width=0.125)
    assert model.feature_dim == 160
    assert model.backbone[1].layers[0].out_channels == 2, "one a view, where int(4 · 1 · 0.125) would be none"
    assert model(torch.rand(2, 2, 100, 80)).shape == (2, 3)
    assert network(width=0.5)[0].feature_dim == 640


def test_l2_is_of_the_last_layers_weights():
    model, _ = network(l2=2e-4)
    weight = model.head[1].weight.detach()
    assert model.penalty().item() == pytest.approx(2e-4 * weight.double().square().sum().item())
    assert network()[0].penalty() is None


def test_features_are_the_320_pooled_and_1024_activations_stay_reachable():
    model, _ = network()
    z = model.eval().features(torch.rand(2, 2, 100, 80))
    assert model.feature_dim == 320
    assert z.shape == (2, 320)
    assert model.penultimate(z).shape == (2, 1024)
    assert (model.penultimate(z) >= 0).all()


def test_each_view_has_its_own_tower_until_they_are_joined():
    """With groups, a change in one view must leave the other view's channels of the last tower alone."""
    torch.manual_seed(0)
    model, _ = network()
    towers = model.backbone[:7]  # stem, 1 + 2 + 3 blocks
    x = torch.rand(4, 2, 100, 80)
    y = x.clone()
    y[:, 1] += torch.rand(4, 100, 80)
    a, b = towers(x), towers(y)
    half = a.shape[1] // 2
    assert torch.equal(a[:, :half], b[:, :half])
    assert not torch.equal(a[:, half:], b[:, half:])
    assert sum(p.numel() for p in towers.parameters()) % 2 == 0


@pytest.mark.parametrize(("views", "channels"), [(1, 1), (1, 3), (3, 3), (2, 6)])
def test_any_number_of_views(views, channels):
    model, _ = network(views=views, channels=channels)
    assert model(torch.rand(4, channels, 100, 80)).shape == (4, 3)


def test_channels_that_do_not_divide_by_views_are_refused():
    with pytest.raises(UserError, match="as many channels in each of the 2 views"):
        network(views=2, channels=3)


def test_input_noise_has_the_stated_variance_and_leaves_empty_cells_empty():
    noise = GaussianDropout(0.2).train()
    torch.manual_seed(0)
    y = noise(torch.ones(200_000))
    assert y.mean().item() == pytest.approx(1, abs=5e-3)
    assert y.var().item() == pytest.approx(0.25, rel=0.02)
    x = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    assert ((noise(x) == 0) == (x == 0)).all()
    assert torch.equal(noise.eval()(x), x)
