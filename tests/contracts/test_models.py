"""What every model promises, for each YAML in conf/model."""

import pytest
import torch

from src.errors import UserError
from src.seeding import seed_torch
from src.task import Task
from tests.contracts import yamls
from tests.graphs import graph_task, graphs, only

SHAPES = [(), (1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 100, 80), (3, 125, 125), (20,), (1, 2, 2)]  # (): graphs
SMALL = {"wrn": {"depth": 10, "width": 1}}  # of what its defaults would make slow
models = pytest.mark.parametrize("name", yamls.names("model"))
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def task(shape, classes=4):
    if not shape:
        return graph_task(classes=classes)
    views = {(2, 100, 80): 2, (3, 125, 125): 3}.get(shape, 1)
    names = tuple(str(c) for c in range(classes))
    return Task(names, ("all",), "vector" if len(shape) == 1 else "image", shape, views=views)


def inputs(shape, size):
    return torch.rand(size, *shape) if shape else graphs(size)


def first(x):
    return x[:1] if isinstance(x, torch.Tensor) else only(x, 0)


def made(name, shape):
    """The model, or a skip where it refuses the shape; that the refusal is a sentence is checked here."""
    seed_torch(0, "model")
    model = yamls.build("model", name, **SMALL.get(name, {}))
    refusal = ""
    try:
        model.setup(task(shape))
    except UserError as error:
        refusal = str(error)
    if refusal:
        assert f"model={name}" in refusal
        assert len(refusal) < 250
        pytest.skip(refusal)
    return model


def accepts(name, shape):
    try:
        yamls.build("model", name, **SMALL.get(name, {})).setup(task(shape))
    except UserError:
        return False
    return True


@models
def test_the_yaml_is_the_signature(name):
    content = yamls.load("model", name)
    content.pop("_target_")
    assert content == yamls.signature_defaults(yamls.target("model", name))


@models
def test_some_shape_is_accepted(name):
    assert any(accepts(name, shape) for shape in SHAPES)


@models
@shapes
def test_forward_is_classify_of_features(name, shape):
    model = made(name, shape).eval()
    x = inputs(shape, 3)
    z = model.features(x)
    assert z.shape == (3, model.feature_dim)
    assert model.penultimate(z).ndim == 2
    logits = model(x)
    assert logits.shape == (3, 4)
    assert torch.equal(logits, model.classify(z))
    torch.testing.assert_close(model(first(x)), logits[:1], rtol=1e-4, atol=1e-5)


@models
@shapes
def test_the_gradient_reaches_every_parameter(name, shape):
    model = made(name, shape).train()
    x = inputs(shape, 16)
    loss = model.tempered(torch.nn.functional.cross_entropy(model(x), torch.arange(16) % 4))
    sum(model.side_losses(x).values(), start=loss).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@models
def test_the_seed_decides_the_weights(name):
    shape = next(shape for shape in ((3, 32, 32), *SHAPES) if accepts(name, shape))
    a, b = made(name, shape), made(name, shape)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
