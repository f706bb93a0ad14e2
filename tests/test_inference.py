"""What a network makes of examples, in batches, against the network itself."""

import numpy as np
import pytest
import torch

from src.datasets.inputs import ArrayInputs
from src.inference import activations, embeddings, probabilities
from src.models.lenet import LeNet
from src.models.mlr import MLR
from src.models.mobilenet import MobileNet
from src.models.resnet32 import ResNet32
from src.seeding import seed_torch
from src.strategies.base import Predictor, negative_log_likelihood
from src.strategies.erm import ERM
from src.task import Task

TASK = Task(("a", "b", "c"), ("all",), "image", (2, 32, 40), views=2)
CPU = torch.device("cpu")


@pytest.fixture(params=[MobileNet, LeNet, ResNet32, MLR], ids=lambda cls: cls.__name__)
def model(request):
    seed_torch(0, "model")
    made = request.param()
    made.setup(TASK)
    return made.train()


@pytest.fixture
def inputs():
    return ArrayInputs(np.random.default_rng(0).random((12, 2, 32, 40)).astype(np.float32))


def test_they_are_the_network_s_own_in_the_order_of_the_rows(model, inputs):
    rows = np.array([7, 2, 9, 9, 0, 11, 3])
    found = activations(model, inputs, rows, CPU, batch_size=3)
    assert not model.training
    with torch.no_grad():
        features = model.features(inputs.fetch(torch.from_numpy(rows), CPU))
        penultimate = model.penultimate(features)
        p = model.classify(features).softmax(dim=1)
    for ours, expected in zip(
        (found.features, found.penultimate, found.probabilities), (features, penultimate, p), strict=True
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-4, atol=1e-6)
    assert found.features.shape == (7, model.feature_dim)


def test_the_probabilities_are_a_plain_prediction_s(model, inputs):
    strategy = ERM()
    strategy.setup(TASK, model, negative_log_likelihood)
    rows = np.arange(12)
    plain = probabilities(Predictor(model, strategy), inputs, rows, CPU)
    np.testing.assert_array_equal(activations(model, inputs, rows, CPU).probabilities, plain)


def test_embeddings_are_what_the_strategy_compares_domains_in(model, inputs):
    class Own(ERM):
        def embedding(self, model, x):
            assert not model.training
            assert not self.training
            return super().embedding(model, x)[:, :3] + 1

    def found(strategy):
        strategy.setup(TASK, model, negative_log_likelihood)
        model.train()
        return embeddings(Predictor(model, strategy), inputs, rows, CPU, batch_size=3)

    rows = np.array([7, 2, 9, 9])
    own, plain = found(Own()), found(ERM())
    features = activations(model, inputs, rows, CPU, batch_size=3).features
    np.testing.assert_array_equal(plain, features)
    np.testing.assert_array_equal(own, features[:, :3] + 1)


def test_a_mapped_file_is_read_ahead_to_the_same(model, inputs, tmp_path):
    np.save(tmp_path / "x.npy", inputs.storage.numpy())
    mapped = ArrayInputs(np.load(tmp_path / "x.npy", mmap_mode="c"))
    assert mapped.streams
    rows = np.arange(12)[::-1].copy()
    ours, theirs = (activations(model, each, rows, CPU, batch_size=5) for each in (mapped, inputs))
    np.testing.assert_array_equal(ours.penultimate, theirs.penultimate)
