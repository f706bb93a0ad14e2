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


def thinned(split, seed=0, **options):
    return Thinning(**options).apply(split, split.clean.max() + 1, seed)[0]


def test_the_exponential_profile_is_cuis():
    assert counts_of(thinned(split_of([5000] * 10), ratio=100)) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]


def test_for_two_classes_a_ratio_is_a_step():
    assert counts_of(thinned(split_of([950, 950]), ratio=19)) == [950, 50]


def test_in_a_step_the_last_half_of_the_classes_is_rare():
    assert counts_of(thinned(split_of([100] * 5), ratio=10, profile="step")) == [100, 100, 100, 10, 10]
    assert counts_of(thinned(split_of([60, 100, 70, 50]), ratio=2, profile="step")) == [60, 60, 30, 30]


def test_counts_and_size():
    assert counts_of(thinned(split_of([40, 40]), counts=[5, 30])) == [5, 30]
    assert len(thinned(split_of([40, 40]), size=33)) == 33


def test_other_domains_stay_as_they_are():
    split = split_of([40, 40], domains=2)
    kept = thinned(split, counts=[3, 4])
    assert (kept.domain == 1).sum() == 40
    assert counts_of(kept.select(kept.domain == 0)) == [3, 4]


def clean(size=None, per_class=None):
    return {"size": size, "per_class": per_class}


@pytest.mark.parametrize("wanted", [clean(size=12), clean(per_class=6)])
def test_a_clean_set_has_right_labels_of_the_source_and_is_disjoint_from_the_rest(wanted):
    split = split_of([40, 40], domains=2)
    split = split.with_labels(1 - split.clean)
    rest, few = Thinning(clean=wanted).apply(split, 2, 0)
    assert len(few) == 12
    assert (few.domain == 0).all()
    assert np.array_equal(few.labels, few.clean)
    assert np.array_equal(rest.labels, 1 - rest.clean)
    assert sorted([*rest.rows, *few.rows]) == list(range(80))
    if wanted["per_class"]:
        assert counts_of(few) == [6, 6]


def test_thinning_leaves_the_clean_set_alone_and_the_seed_draws_it():
    split = split_of([400, 400])
    found = [
        Thinning(clean=clean(per_class=5), counts=counts).apply(split, 2, seed)
        for counts, seed in [(None, 0), ([9, 300], 0), (None, 1)]
    ]
    assert np.array_equal(found[0][1].rows, found[1][1].rows)
    assert not np.array_equal(found[0][1].rows, found[2][1].rows)
    assert counts_of(found[1][0]) == [9, 300]
    assert not set(found[1][0].rows) & set(found[1][1].rows)


def test_the_clean_sets_size_changes_few_of_the_examples_that_a_size_keeps():
    split = split_of([400, 400])
    few, many = (set(Thinning(clean=clean(per_class=n), size=300).apply(split, 2, 0)[0].rows) for n in (1, 20))
    assert len(few & many) > 300 - 30


@pytest.mark.parametrize(("thinning", "why"), [
    (Thinning(counts=[41, 1]), r"class_counts=\[41, 1\], but there are \[40, 40\]"),
    (Thinning(counts=[1, 1, 1]), "3 entries for 2 classes"),
    (Thinning(size=1), "train_size=1 leaves no example of class"),
    (Thinning(size=81), "train_size=81, but the training split has 80 examples"),
    (Thinning(clean=clean(per_class=40)), r"clean.per_class=40 leaves too few to learn from: there are \[40, 40\] training"),
    (Thinning(clean=clean(size=80)), r"clean.size=80 leaves too few .* ask for fewer"),
    (Thinning(clean=clean(size=800)), "clean.size=800 leaves too few"),
    (Thinning(clean=clean(per_class=10), counts=[31, 1]), r"class_counts=\[31, 1\], but there are \[30, 30\]"),
])  # fmt: skip
def test_more_than_there_is_is_refused(thinning, why):
    with pytest.raises(UserError, match=why):
        thinning.apply(split_of([40, 40]), 2, 0)


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match="give one of them"):
        Thinning(counts=[1, 2], ratio=3)
    with pytest.raises(ValueError, match="at least 1"):
        Thinning(ratio=0.5)
    with pytest.raises(ValueError, match=r"clean.size and clean.per_class are both set"):
        Thinning(clean=clean(1, 1))
