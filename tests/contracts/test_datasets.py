"""What every dataset promises, for each YAML in conf/dataset."""

import numpy as np
import pytest
import torch

from src.graphs import Graphs
from tests.contracts import yamls
from tests.datasets.files import make

datasets = pytest.mark.parametrize("name", yamls.names("dataset"))
SMALL = {
    "nova": {"events": 240, "class_mix": [1.0, 1.0, 1.0]},
    "emulsion": {"crops": [60, 30, 40], "prevalence": [0.3, 0.3, 0.3], "image_size": 16, "valid": "drawn"},
    "nugraph": {"events": 32, "hits": 80, "class_mix": [1.0, 1.0, 1.0, 1.0]},
}


@pytest.fixture
def split(tmp_path):
    """Splits of a dataset by name and seed, from tiny files."""

    def of(name, seed=0, **options):
        root = tmp_path / f"data-{name}"
        if not root.exists():
            make(name, root)
        dataset = yamls.build("dataset", name, **SMALL.get(name, {}), **options)
        return dataset.splits(root, tmp_path / "cache", seed)

    return of


def example(x, k):
    """The k-th of a batch; of a graph all hits."""
    return torch.cat([plane.x[plane.graph == k] for plane in x.planes.values()]) if isinstance(x, Graphs) else x[k]


def snapshot(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@datasets
def test_the_yaml_is_the_signature(name):
    content = yamls.load("dataset", name)
    content.pop("_target_")
    assert content == yamls.signature_defaults(yamls.target("dataset", name))


@datasets
def test_splits_are_disjoint_complete_and_seeded(name, split):
    a, b, c = split(name), split(name), split(name, seed=1)
    rows = [set(part.rows.tolist()) for part in (a.train, a.val, a.test)]
    assert all(len(r) == len(part) for r, part in zip(rows, (a.train, a.val, a.test), strict=True))
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    assert np.array_equal(a.train.rows, b.train.rows)
    assert np.array_equal(a.val.rows, b.val.rows)
    assert not np.array_equal(a.val.rows, c.val.rows)
    assert a.fingerprint
    assert a.fingerprint == c.fingerprint


@datasets
def test_a_clean_set_is_taken_from_the_training_part_alone(name, split):
    whole, reduced = split(name), split(name, clean={"size": None, "per_class": 1})
    assert whole.clean is None
    assert np.bincount(reduced.clean.clean).tolist() == [1] * len(whole.class_names)
    assert sorted([*reduced.train.rows, *reduced.clean.rows]) == sorted(whole.train.rows)
    assert np.array_equal(reduced.val.rows, whole.val.rows)
    assert np.array_equal(reduced.test.rows, whole.test.rows)


@datasets
def test_labels_are_in_range_and_every_class_is_there(name, split):
    splits = split(name)
    n = len(splits.class_names)
    assert len(set(splits.class_names)) == n >= 2
    for part in (splits.train, splits.val, splits.test):
        assert part.labels.dtype == part.clean.dtype == part.domain.dtype == np.int64
        assert set(part.domain.tolist()) <= set(range(len(splits.domain_names)))
        assert (part.weight >= 0).all()
        assert all(len(column) == len(part) for column in part.keys.values())
    assert set(splits.train.clean.tolist()) == set(splits.test.clean.tolist()) == set(range(n))


@datasets
def test_the_target_domain_is_not_labelled_but_for_the_test(name, split):
    splits = split(name)
    for part in (splits.train, splits.val):
        assert np.array_equal(part.labelled, part.domain == 0)
    assert splits.test.labelled.all()


@datasets
def test_fetch_gives_finite_floats_of_the_stated_shape(name, split):
    inputs = split(name).train.inputs
    x = inputs.fetch(torch.tensor([1, 0, 1]), torch.device("cpu"))
    a, b, c = (example(x, k) for k in range(3))
    assert len(x) == 3
    assert a.dtype == torch.float32
    assert inputs.kind == "graph" or a.shape == inputs.shape
    assert torch.isfinite(torch.cat([a, b])).all()
    assert torch.equal(a, c)
    assert torch.equal(example(inputs.fetch(torch.tensor([0]), torch.device("cpu")), 0), b)


@datasets
def test_nothing_is_written_into_data_root(name, split, tmp_path):
    split(name)
    root = tmp_path / f"data-{name}"
    before = snapshot(root)
    split(name, seed=1)
    assert snapshot(root) == before
