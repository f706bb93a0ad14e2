"""The steps that datasets share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.datasets.base import Thinning, keep_classes, random_split, whole
from src.datasets.inputs import ArrayInputs
from src.errors import UserError

labels_of = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(np.array)


@given(labels_of, st.floats(0.05, 0.6), st.floats(0.05, 0.3), st.integers(0, 99))
def test_a_random_split_is_disjoint_complete_and_stratified(labels, first, second, seed):
    parts = random_split(labels, [first, second], np.random.default_rng(seed))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for label in np.unique(labels):
        n = (labels == label).sum()
        found = [(labels[part] == label).sum() for part in parts]
        assert abs(found[0] - first * n) <= 1.5
        assert n < 3 or min(found) >= 1


@given(labels_of, st.permutations(range(5)), st.integers(2, 5))
def test_kept_classes_are_renumbered_in_the_given_order(labels, order, count):
    chosen = order[:count]
    rows, new, names = keep_classes(labels, list("abcde"), chosen)
    assert [chosen[label] for label in new] == labels[rows].tolist()
    assert set(labels[rows]) <= set(chosen)
    assert len(rows) == np.isin(labels, chosen).sum()
    assert names == tuple("abcde"[c] for c in chosen)


@pytest.mark.parametrize("classes", [[0, 7], [1, 1], [2], [-1, 0]])
def test_classes_that_make_no_sense_are_refused(classes):
    with pytest.raises(UserError, match="at least two different classes from 0 to 4"):
        keep_classes(np.arange(5), list("abcde"), classes)


def split_of(counts, domains=1):
    labels = np.repeat(np.arange(len(counts)), counts)
    split = whole(ArrayInputs(np.zeros((len(labels), 2), np.float32)), labels)
    if domains == 2:
        split.domain[::2] = 1
    return split


def counts_of(split):
    return np.bincount(split.clean).tolist()


def test_the_exponential_profile_is_cuis():
    thinned = Thinning(ratio=100).apply(split_of([5000] * 10), 10, 0)
    assert counts_of(thinned) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]


def test_for_two_classes_a_ratio_is_a_step():
    assert counts_of(Thinning(ratio=19).apply(split_of([950, 950]), 2, 0)) == [950, 50]


def test_counts_and_size():
    assert counts_of(Thinning(counts=[5, 30]).apply(split_of([40, 40]), 2, 0)) == [5, 30]
    assert len(Thinning(size=33).apply(split_of([40, 40]), 2, 0)) == 33


def test_other_domains_stay_as_they_are():
    split = split_of([40, 40], domains=2)
    thinned = Thinning(counts=[3, 4]).apply(split, 2, 0)
    assert (thinned.domain == 1).sum() == 40
    assert counts_of(thinned.select(thinned.domain == 0)) == [3, 4]


@pytest.mark.parametrize(("thinning", "why"), [
    (Thinning(counts=[41, 1]), r"class_counts=\[41, 1\], but there are \[40, 40\]"),
    (Thinning(counts=[1, 1, 1]), "3 entries for 2 classes"),
    (Thinning(size=1), "train_size=1 leaves no example of class"),
    (Thinning(size=81), "train_size=81, but the training split has 80 examples"),
])  # fmt: skip
def test_more_than_there_is_is_refused(thinning, why):
    with pytest.raises(UserError, match=why):
        thinning.apply(split_of([40, 40]), 2, 0)


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match="give one of them"):
        Thinning(counts=[1, 2], ratio=3)
    with pytest.raises(ValueError, match="at least 1"):
        Thinning(ratio=0.5)
