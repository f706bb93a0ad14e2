"""Learning to reweight: its weights against the paper's own double backward pass, and what it does to wrong labels."""

import json

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from src.imbalance_strategies.class_weights import ClassWeights
from src.models.base import Model
from src.models.cnn import CNN
from src.models.cnn6 import CNN6
from src.models.lenet import LeNet
from src.models.mlr import MLR
from src.models.mobilenet import MobileNet
from src.models.resnet18 import ResNet18
from src.models.resnet32 import ResNet32
from src.models.wrn import WRN
from src.seeding import seed_torch
from src.strategies.base import negative_log_likelihood
from src.strategies.meta_gradient import MetaGradient, trainable
from src.strategies.meta_weight_net import MetaWeightNet
from src.strategies.reweight import Reweight
from src.strategies.weighting import proportional
from src.task import Batch, Task

SIDE = 12
LARGE = {"cnn": 16, "cnn6": 64, "mobilenet": 32}


def task(kind="image", counts=(40, 40, 40), side=SIDE):
    shape = (1, side, side) if kind == "image" else (4,)
    return Task(("a", "b", "c"), ("all",), kind, shape, class_counts=counts)


class Normalised(Model):
    """Batch norm, dropout and a residual, in little."""

    def setup(self, task):
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, task.num_classes))

    def features(self, x):
        z = self.first(x)
        return torch.relu(z + self.second(z)).mean(dim=(2, 3))

    def classify(self, z):
        return self.head(z)


class Opaque(torch.autograd.Function):
    """A layer whose author wrote no forward mode."""

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0].cos()


class WithoutForwardMode(LeNet):
    def features(self, x):
        return super().features(Opaque.apply(x * self.convolutions[0].weight.mean()))


class Attention(Model):
    """Rows of a picture that attend to each other; its fast kernels have first derivatives only."""

    def setup(self, task):
        self.layer = nn.TransformerEncoderLayer(SIDE, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(SIDE, task.num_classes)

    def features(self, x):
        return self.layer(x.squeeze(1)).mean(dim=1)

    def classify(self, z):
        return self.head(z)


class Recurrent(Attention):
    """Rows of a picture in turn, by a layer without forward mode."""

    def setup(self, task):
        self.layer = nn.LSTM(SIDE, 8, batch_first=True)
        self.head = nn.Linear(8, task.num_classes)

    def features(self, x):
        return self.layer(x.squeeze(1))[0][:, -1]


class Frozen(ResNet18):
    """Its first stages keep their weights, and their statistics."""

    def setup(self, task):
        self.freeze_until = "layer3"
        super().setup(task)


MODELS = {
    "mlr": MLR,
    "lenet": LeNet,
    "batch norm": Normalised,
    "resnet32": ResNet32,
    "wrn": lambda: WRN(depth=10, width=1, dropout=0.3),
    "cnn": CNN,
    "cnn6": lambda: CNN6(width=0.25, hidden=8),
    "mobilenet": lambda: MobileNet(width=0.25, hidden=8),
    "resnet18, frozen": lambda: Frozen(hidden=(8,)),
    "no forward mode": WithoutForwardMode,
    "attention": Attention,
    "recurrent": Recurrent,
}


def made(name, dtype=torch.float64):
    seed_torch(0, "model")
    model = MODELS[name]()
    model.setup(task(side=LARGE.get(name, SIDE)))
    return model.to(dtype).train()


def batch(n, seed, dtype=torch.float64, side=SIDE):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, side, side, generator=generator, dtype=dtype)
    y = torch.randint(3, (n,), generator=generator)
    return Batch(x, y, torch.zeros_like(y), torch.ones(n), torch.arange(n))


def ready(model, criterion=negative_log_likelihood):
    strategy = Reweight()
    strategy.setup(task(), model, criterion)
    return strategy


def by_double_backward(model, source, clean, step=0.1):
    """Minus the derivative of the clean loss after a virtual step with respect to the weights, at zero weights."""

    usual = [(layer, layer.training) for layer in model.modules()]

    @sdpa_kernel(SDPBackend.MATH)  # the others have no second derivatives
    def losses(parameters, batch, chance=False):
        buffers = {name: value.clone() for name, value in model.named_buffers()}
        for layer, training in usual:
            layer.training = training and (chance or isinstance(layer, nn.BatchNorm2d))
        logits = functional_call(model, {**parameters, **buffers}, (batch.x,))
        model.train()
        return negative_log_likelihood(logits.log_softmax(dim=1), batch.y)

    now = {name: value for name, value in model.named_parameters() if value.requires_grad}
    weight = torch.zeros(len(source), dtype=source.x.dtype, requires_grad=True)
    gradients = torch.autograd.grad(
        (weight * losses(now, source, chance=True)).sum(), [*now.values()], create_graph=True
    )
    virtual = {name: value - step * g for (name, value), g in zip(now.items(), gradients, strict=True)}
    return -torch.autograd.grad(losses(virtual, clean).mean(), weight)[0] / step


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_are_those_of_the_papers_double_backward_pass(name):
    side = LARGE.get(name, SIDE)
    model, source, clean = made(name), batch(16, 1, side=side), batch(6, 2, side=side)
    strategy = ready(model)
    strategy.losses_and_alignment(model, source, clean)  # so that forward mode has been tried
    torch.manual_seed(0)
    expected = by_double_backward(model, source, clean)
    torch.manual_seed(0)
    _, found = strategy.losses_and_alignment(model, source, clean)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))
    assert expected.abs().min() > 0
    torch.testing.assert_close(proportional(found), proportional(expected * 7))  # the step's length is no matter


@pytest.mark.parametrize("name", ["lenet", "resnet32", "no forward mode"])
def test_in_bfloat16_the_weights_are_nearly_those_of_float32(name):
    model, source, clean = made(name, torch.float32), batch(64, 1, torch.float32), batch(6, 2, torch.float32)
    _, exact = ready(model).losses_and_alignment(model, source, clean)
    strategy = ready(model)
    with torch.autocast("cpu", torch.bfloat16):
        strategy.losses_and_alignment(model, source, clean)
        losses, rounded = strategy.losses_and_alignment(model, source, clean)
    assert losses.requires_grad
    assert strategy.meta.forward_mode is (name != "no forward mode")
    assert torch.corrcoef(torch.stack([exact, rounded]))[0, 1] > 0.95


def test_a_layer_without_forward_mode_is_found_once_and_gone_around():
    model = made("no forward mode")
    strategy = ready(model)
    strategy.losses_and_alignment(model, batch(8, 1), batch(4, 2))
    assert strategy.meta.forward_mode is False
    plain = made("lenet")
    strategy = ready(plain)
    strategy.losses_and_alignment(plain, batch(8, 1), batch(4, 2))
    assert strategy.meta.forward_mode is True


def test_other_errors_are_not_swallowed():
    model = made("lenet")
    wrong = batch(8, 1)
    wrong.x = wrong.x[:, :, :3]
    with pytest.raises(RuntimeError, match="too small"):
        ready(model).losses_and_alignment(model, wrong, batch(4, 2))


@pytest.mark.parametrize("name", ["batch norm", "resnet32", "wrn"])
@pytest.mark.parametrize("strategy", [Reweight, MetaWeightNet])
def test_the_step_is_the_only_pass_that_touches_running_statistics_or_chance(name, strategy):
    model, source, clean = made(name), batch(16, 1), batch(6, 2)
    strategy = strategy()
    strategy.setup(task(), model, negative_log_likelihood)
    strategy.double()
    torch.manual_seed(0)
    strategy.loss(model, source, None, clean, 0.0)["total"].backward()
    after = torch.rand(3)
    assert all(layer.training for layer in model.modules())
    once = made(name)
    torch.manual_seed(0)
    once(source.x)
    assert torch.equal(torch.rand(3), after)
    counted = {int(value) for name, value in model.named_buffers() if name.endswith("num_batches_tracked")}
    assert counted == {1}
    for (name, value), other in zip(model.named_buffers(), once.buffers(), strict=True):
        torch.testing.assert_close(value, other, rtol=1e-12, atol=1e-14, msg=name)


def test_beside_the_step_nothing_is_touched():
    model, source, clean = made("batch norm"), batch(16, 1), batch(6, 2)
    meta = MetaGradient()
    before = {name: value.clone() for name, value in model.named_buffers()}
    state = torch.get_rng_state()
    direction = meta.of_clean(model, clean, trainable(model))
    meta.along(model, source, negative_log_likelihood, direction)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_the_loss_is_the_weighted_sum_and_the_weights_sum_to_one():
    model, source, clean = made("lenet"), batch(16, 1), batch(6, 2)
    strategy = ready(model)
    weight = proportional(strategy.losses_and_alignment(model, source, clean)[1])
    assert weight.min() >= 0
    assert float(weight.sum()) == pytest.approx(1)
    found = strategy.loss(model, source, None, clean, 0.0)
    losses = negative_log_likelihood(model(source.x).log_softmax(dim=1), source.y)
    torch.testing.assert_close(found["total"], (weight * losses).sum())
    assert float(found["positive"]) == pytest.approx(float((weight > 0).float().mean()))
    assert found["zero_batches"] == 0
    torch.testing.assert_close(strategy.given[: len(source)], weight.float())
    assert strategy.seen.sum() == len(source)


def test_examples_that_all_harm_teach_nothing():
    model = made("mlr")
    source = batch(8, 1)
    source.y[:] = 0
    clean = Batch(source.x, source.y + 1, source.domain, source.weight, source.index)
    found = ready(model).loss(model, source, None, clean, 0.0)
    assert found["zero_batches"] == 1
    assert found["total"] == 0
    found["total"].backward()
    assert all(p.grad.abs().sum() == 0 for p in model.parameters())


def test_the_imbalance_strategys_weights_count():
    model, source, clean = made("lenet", torch.float32), batch(16, 1, torch.float32), batch(6, 2, torch.float32)
    balance = ClassWeights(weights=[1.0, 2.0, 5.0])
    balance.setup(source.y.numpy(), 3)
    plain, weighted = (
        ready(model, c).losses_and_alignment(model, source, clean)[1]
        for c in (negative_log_likelihood, balance.criterion)
    )
    torch.testing.assert_close(weighted, plain * balance.weights[source.y], rtol=1e-4, atol=1e-6)


def test_wrong_labels_get_less_weight_than_their_share(train, tmp_path):
    train(
        "dataset=digits", "model=lenet", "optimizer=adam", "schedule=onecycle", "strategy=reweight", "noise_model=uniform",
        "dataset.clean.per_class=3", "trainer.epochs=4", "figures=false",
    )  # fmt: skip
    (folder,) = [path.parent for path in (tmp_path / "runs_root").glob("*/metrics.json")]
    found = json.loads((folder / "metrics.json").read_text())
    assert found["weights/mislabelled_drawn"] == pytest.approx(found["data/train/flip_rate"], abs=0.02)
    assert found["weights/mislabelled"] < 0.7 * found["weights/mislabelled_drawn"]


def test_a_clean_set_is_asked_for(command):
    done = command("src.run", "dataset=digits", "model=mlr", "optimizer=adam", "strategy=reweight")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "strategy=reweight needs examples with right labels: set dataset.clean.per_class (or dataset.clean.size)"
    )
