"""What every noise model promises, for each YAML in conf/noise_model."""

import numpy as np
import pytest

from src.noise_models.sampling import realised
from tests.contracts import yamls
from tests.noise_models.splits import split_of

names = pytest.mark.parametrize("name", yamls.names("noise_model"))
LABELS = np.repeat([0, 1, 2], [6000, 3000, 1000])
SPLIT = split_of(LABELS)


@pytest.fixture
def made(tmp_path):
    """A noise model by name; the one that reads a file finds one."""

    def build(name):
        np.save(tmp_path / "labels.npy", np.random.default_rng(0).permutation(LABELS))
        return yamls.build(
            "noise_model", name, **({"path": str(tmp_path / "labels.npy")} if name == "from_file" else {})
        )

    return build


@names
def test_the_yaml_is_the_signature(name):
    content = yamls.load("noise_model", name)
    module = content.pop("_target_").split(".")[-2]
    defaults = yamls.signature_defaults(yamls.target("noise_model", name))
    assert set(content) == set(defaults)
    assert content == defaults or module != name, "only a preset, named otherwise than its module, has other values"


@names
def test_the_columns_of_t_sum_to_one_where_there_is_one(name, made):
    stated = made(name).transition(3)
    if stated is None:
        assert name in {"from_file", "instance_dependent"}
    else:
        assert np.allclose(stated.columns.sum(axis=0), 1)
        assert (stated.columns >= 0).all()


@names
def test_the_empirical_matrix_fits_the_stated_one(name, made):
    noise = made(name)
    observed = noise.corrupt(SPLIT, 3, np.random.default_rng(0))
    found, rate = realised(LABELS, observed, 3)
    assert rate == np.mean(observed != LABELS)
    assert set(observed) <= {0, 1, 2}
    stated = noise.transition(3)
    if stated is not None:
        error = 5 * np.sqrt(stated.columns * (1 - stated.columns) / np.array([6000, 3000, 1000])) + 1e-3
        assert (np.abs(found.columns - stated.columns) <= error).all()


@names
def test_the_generator_decides_and_the_right_labels_stay_as_they_are(name, made):
    noise, before = made(name), LABELS.copy()
    a, b = (noise.corrupt(SPLIT, 3, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(a, b)
    assert np.array_equal(SPLIT.labels, before)
    assert a.dtype == np.int64


@names
def test_no_example_is_survived(name, made):
    assert len(made(name).corrupt(SPLIT.select(np.zeros(0, dtype=np.int64)), 3, np.random.default_rng(0))) == 0
