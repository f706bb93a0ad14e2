from urllib.error import URLError

import pytest
import torch
from torch.nn import functional as F
from torchvision import models

from src.errors import UserError
from src.models import resnet
from src.models.resnet18 import ResNet18
from src.task import Task

MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in (resnet.IMAGENET_MEAN, resnet.IMAGENET_STD))


def network(shape=(3, 32, 32), classes=2, **options):
    model = ResNet18(**options)
    model.setup(Task(tuple(str(c) for c in range(classes)), ("all",), "image", shape))
    return model


@pytest.fixture(scope="module")
def theirs():
    """A network of torchvision's whose batch norms have something to say, without its last layer."""
    torch.manual_seed(0)
    made = models.resnet18()
    for layer in made.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.fixture(scope="module")
def file(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(theirs.state_dict(), path)
    return str(path)


def features_of(theirs, x):
    theirs.fc, last = torch.nn.Identity(), theirs.fc
    z = theirs(x)
    theirs.fc = last
    return z


def test_parameters_are_counted_as_published():
    """11,689,512 with the last layer of 1,000 classes, says torchvision."""
    model = network()
    assert sum(p.numel() for p in model.backbone.parameters()) == 11_689_512 - 513 * 1000 == 11_176_512
    widths = [(layer.in_features, layer.out_features) for layer in (*model.hidden_layers[::2], model.head)]
    assert widths == [(512, 512), (512, 128), (128, 2)]
    assert network(hidden=[]).head.in_features == 512


def test_with_weights_the_picture_is_normalised_and_the_features_are_torchvisions(theirs, file):
    x = torch.rand(2, 3, 40, 48)
    model = network((3, 40, 48), weights=file).eval()
    torch.testing.assert_close(model.features(x), features_of(theirs, (x - MEAN) / STD))


def test_without_weights_it_is_taken_as_it_comes():
    x = torch.rand(2, 3, 32, 32)
    model = network().eval()
    assert torch.equal(model.features(x), model.backbone(x))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_that_are_alike_act_as_a_grey_picture(theirs, file, channels):
    x = torch.rand(2, 1, 32, 32)
    model = network((channels, 32, 32), weights=file).eval()
    grey = ((x - MEAN.mean()) / STD.mean()).expand(-1, 3, -1, -1)
    ours = model.features(x.expand(-1, channels, -1, -1))
    torch.testing.assert_close(ours, features_of(theirs, grey), rtol=1e-4, atol=1e-5)


def test_softmax_of_two_logits_is_the_sigmoid_of_one():
    """Loss and gradient of the features are those of one logit whose weights are the difference, by binary cross-entropy."""
    model, y = network(hidden=[]), torch.tensor([0, 1, 1, 0, 1])
    features = torch.randn(2, 5, 512)[:1].expand(2, -1, -1).clone().requires_grad_()
    two = F.cross_entropy(model.classify(features[0]), y)
    weight, bias = model.head.weight, model.head.bias
    one = F.binary_cross_entropy_with_logits(features[1] @ (weight[1] - weight[0]) + bias[1] - bias[0], y.float())
    torch.testing.assert_close(two, one)
    (gradient,) = torch.autograd.grad(two + one, features)
    torch.testing.assert_close(gradient[0], gradient[1])
    assert gradient.any()


@pytest.mark.parametrize(("until", "kept"), [("layer1", 1), ("layer3", 5), ("classifier", 9)])
def test_stages_before_the_named_one_stay_as_they_are(file, until, kept):
    """`kept` counts the residual blocks and the first convolution."""
    model = network(weights=file, freeze_until=until)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    F.cross_entropy(model(torch.rand(8, 3, 32, 32)), torch.arange(8) % 2).backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    stages = ("backbone.conv1", "backbone.bn1", *(f"backbone.layer{n}.{b}" for n in range(1, 5) for b in range(2)))
    frozen = tuple(f"{stage}." for stage in stages[: kept + 1])
    assert not [name for name in changed if name.startswith(frozen)]
    free = {name for name in before if not name.startswith((*frozen, "mean", "std"))}
    assert changed == free
    assert {layer.training for layer in model.frozen} == {False}
    assert model.head.training


# --- what can go wrong ---


def test_no_network_is_a_sentence(monkeypatch):
    def offline(url, **options):
        assert options["weights_only"]
        assert options["check_hash"]
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(UserError, match=r"model\.weights=IMAGENET1K_V1: https://.*resnet18.* cannot be fetched .*path"):
        network(weights="IMAGENET1K_V1")


def test_a_checkpoint_needs_no_weights_to_begin_with(monkeypatch, file):
    """What is loaded again stands alone: no network, no file."""
    whole = network((2, 32, 32), weights=file)
    model = ResNet18(weights="IMAGENET1K_V1")
    model.restored = True
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *given, **options: pytest.fail("fetched")
    )
    model.setup(Task(("0", "1"), ("all",), "image", (2, 32, 32)))
    model.load_state_dict(whole.state_dict())
    x = torch.rand(2, 2, 32, 32)
    torch.testing.assert_close(model.eval()(x), whole.eval()(x))


def test_published_weights_are_loaded(monkeypatch, theirs):
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda url, **_: theirs.state_dict())
    model = network(weights="IMAGENET1K_V1")
    assert torch.equal(model.backbone.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)


def test_files_that_do_not_serve_are_sentences(tmp_path):
    with pytest.raises(
        UserError, match=r"model\.weights=IMAGENET1K_V2: neither a name of published weights nor a file"
    ):
        network(weights="IMAGENET1K_V2")  # there are none for 18 layers
    path = tmp_path / "weights.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a file of weights that torch reads"):
        network(weights=str(path))
    torch.save({"epoch": 3}, path)
    with pytest.raises(UserError, match="not tensors by name"):
        network(weights=str(path))
    torch.save({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="these are not the weights of torchvision's resnet18"):
        network(weights=str(path))


def test_random_weights_are_not_frozen():
    with pytest.raises(ValueError, match="freeze_until=layer2 would keep random weights"):
        ResNet18(freeze_until="layer2")


def test_another_file_is_another_run(tmp_path, file):
    path = tmp_path / "other.pth"
    path.write_bytes(b"other")
    prints = {ResNet18(weights=weights).fingerprint() for weights in (None, "IMAGENET1K_V1", file, str(path))}
    assert len(prints) == 3
    assert "" in prints


def test_vectors_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="model=resnet18 takes images, not vectors; try model=mlr"):
        ResNet18().setup(Task(("a", "b"), ("all",), "vector", (20,)))
