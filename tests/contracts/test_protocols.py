"""What every protocol promises, for each YAML in conf/protocol."""

import numpy as np
import pytest

from src.task import Splits
from tests.contracts import yamls
from tests.noise_models.splits import split_of

names = pytest.mark.parametrize("name", yamls.names("protocol"))
CLASSES = ("a", "b", "c")


def splits_of(n=90):
    """Disjoint rows of one sample; a third of the training labels is wrong."""
    whole = split_of(np.arange(3 * n) % 3)
    parts = [whole.select(np.arange(i * n, (i + 1) * n)) for i in range(3)]
    train = parts[0].with_labels(np.where(np.arange(n) % 9 < 3, (parts[0].labels + 1) % 3, parts[0].labels))
    return Splits(train, parts[1], parts[2], CLASSES)


@names
def test_the_yaml_is_the_signature(name):
    content = yamls.load("protocol", name)
    content.pop("_target_")
    assert content == yamls.signature_defaults(yamls.target("protocol", name))


@names
def test_parts_are_disjoint_seeded_and_keep_their_labels(name):
    protocol, splits = yamls.build("protocol", name), splits_of()
    a, b = protocol.apply(splits, 1), protocol.apply(splits, 1)
    rows = [set(part.rows.tolist()) for part in (a.train, a.val, a.test)]
    assert all(len(found) == len(part) for found, part in zip(rows, (a.train, a.val, a.test), strict=True))
    assert not rows[0] & rows[1] | rows[0] & rows[2] | rows[1] & rows[2]
    assert np.array_equal(a.train.rows, b.train.rows)
    assert np.array_equal(a.test.rows, b.test.rows)
    given = {
        row: label
        for part in (splits.train, splits.val, splits.test)
        for row, label in zip(part.rows, part.labels, strict=True)
    }
    for part in (a.train, a.val, a.test):
        assert [given[row] for row in part.rows] == part.labels.tolist()
    for part in (a.train, a.val, a.test):
        assert set(part.clean.tolist()) == {0, 1, 2}


@names
def test_a_protocol_of_several_runs_shares_the_data_among_them(name):
    protocol = yamls.build("protocol", name)
    assert (protocol.data_seed(3) == protocol.data_seed(4)) == (name != "single")
