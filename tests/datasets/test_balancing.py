"""Unique events, in the wanted mix; what must not be seen is not balanced by."""

import numpy as np
import pytest

from src.datasets.balancing import STUDY, balanced, thinned
from src.datasets.base import whole
from src.datasets.inputs import ArrayInputs
from src.errors import UserError
from src.task import HIDDEN


def split(counts, hidden=False):
    """A split with counts[c][d] events of class c in domain d; the second domain's labels hidden, if asked."""
    label = np.concatenate([np.full(n, c) for c, row in enumerate(counts) for n in row])
    domain = np.concatenate([np.full(n, d) for row in counts for d, n in enumerate(row)])
    found = whole(ArrayInputs(np.zeros((len(label), 2), np.float32)), label)
    found.domain[:] = domain
    found.labelled[:] = (domain == 0) | (not hidden)
    return found


def table(found):
    return np.histogram2d(found.clean, found.domain, [np.arange(4), np.arange(3)])[0].astype(int).tolist()


COUNTS = [[30, 20], [10, 40], [50, 15]]


@pytest.mark.parametrize(("by", "check"), [
    ("class", lambda t: np.sum(t, axis=1).tolist() == [50, 50, 50]),
    ("domain", lambda t: np.sum(t, axis=0).tolist() == [75, 75]),
    ("joint", lambda t: t == [[10, 10]] * 3),
    ("none", lambda t: t == COUNTS),
])  # fmt: skip
def test_what_is_made_equal_is_equal_and_no_event_is_repeated(by, check):
    found = balanced(split(COUNTS), by, 3, np.random.default_rng(0))
    assert check(table(found)), table(found)
    assert len(np.unique(found.rows)) == len(found)
    assert np.all(np.diff(found.rows) > 0)


def test_the_study_s_sample_is_equal_in_classes_and_in_domains_but_not_jointly():
    found = np.array(table(balanced(split((STUDY * 2).tolist()), "study", 3, np.random.default_rng(0))))
    assert np.array_equal(found, STUDY * 2)
    assert found.sum(axis=1) / found.sum() == pytest.approx([1 / 3] * 3, abs=0.002)
    assert found.sum(axis=0) / found.sum() == pytest.approx([1 / 2] * 2, abs=0.002)
    fewer = np.array(table(balanced(split([[400, 400]] * 3), "study", 3, np.random.default_rng(0))))
    assert fewer / fewer.sum() == pytest.approx(STUDY / STUDY.sum(), abs=0.002)
    assert fewer.max() == 400


@pytest.mark.parametrize("by", ["joint", "class"])
def test_hidden_labels_are_not_balanced_by(by):
    """The second domain's events are kept whatever their class: permuting its labels changes nothing."""
    one, other = split(COUNTS, hidden=True), split(COUNTS, hidden=True)
    there = other.domain == 1
    other.clean[there] = other.labels[there] = np.random.default_rng(1).permutation(other.clean[there])
    kept = [balanced(part, by, 3, np.random.default_rng(0)) for part in (one, other)]
    assert np.array_equal(kept[0].rows, kept[1].rows)
    seen = kept[0].labelled
    assert np.bincount(kept[0].clean[seen]).tolist() == [10, 10, 10]
    assert (~seen).sum() == {"joint": 30, "class": 75}[by]


def test_a_sealed_domain_without_labels_is_left_as_it_is():
    part = split(COUNTS, hidden=True)
    part.clean[~part.labelled] = HIDDEN
    assert balanced(part, "joint", 3, np.random.default_rng(0)).labelled.sum() == 30


def test_an_empty_part_is_refused():
    with pytest.raises(UserError, match=r"there are \[50, 0, 65\] events"):
        balanced(split([[30, 20], [0, 0], [50, 15]]), "class", 3, np.random.default_rng(0))


def test_as_many_as_possible_are_kept():
    rows = thinned(np.repeat([0, 1], [10, 7]), np.array([2.0, 1.0]), np.random.default_rng(0))
    assert np.bincount(np.repeat([0, 1], [10, 7])[rows]).tolist() == [10, 5]
