"""What every noise model promises, for each YAML in conf/noise_model."""

import numpy as np
import pytest

from src.noise_models.transition_matrix import realised
from tests.contracts import yamls

names = pytest.mark.parametrize("name", yamls.names("noise_model"))
LABELS = np.repeat([0, 1, 2], [6000, 3000, 1000])


@names
def test_the_yaml_is_the_signature(name):
    content = yamls.load("noise_model", name)
    content.pop("_target_")
    assert content == yamls.signature_defaults(yamls.target("noise_model", name))


@names
def test_the_columns_of_t_sum_to_one(name):
    matrix = yamls.build("noise_model", name).transition(3).columns
    assert np.allclose(matrix.sum(axis=0), 1)
    assert (matrix >= 0).all()


@names
def test_the_empirical_matrix_fits_the_stated_one(name):
    noise = yamls.build("noise_model", name)
    observed = noise.corrupt(LABELS, 3, np.random.default_rng(0))
    stated = noise.transition(3).columns
    found, rate = realised(LABELS, observed, 3)
    error = 5 * np.sqrt(stated * (1 - stated) / np.array([6000, 3000, 1000])) + 1e-3
    assert (np.abs(found.columns - stated) <= error).all()
    assert rate == np.mean(observed != LABELS)


@names
def test_the_generator_decides_and_the_right_labels_stay_as_they_are(name):
    noise, before = yamls.build("noise_model", name), LABELS.copy()
    a, b = (noise.corrupt(LABELS, 3, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(a, b)
    assert np.array_equal(LABELS, before)
    assert a.dtype == np.int64
