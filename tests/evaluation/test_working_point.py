"""Candidates at a recall by hand, average precision and ROC area as scikit-learn's, an interval that covers what it should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from src.evaluation.working_point import (
    at_recall,
    average_precision_interval,
    average_precisions,
    interval,
    resampled,
    roc_aucs,
)

ONES = np.ones(6)
SCORE = np.array([0.9, 0.8, 0.8, 0.4, 0.2, 0.1])
POSITIVE = np.array([True, True, False, False, True, False])


@pytest.mark.parametrize(
    ("recall", "cut", "found", "candidates"), [(0.3, 0.9, 1, 1), (1 / 3, 0.9, 1, 1), (0.4, 0.8, 2, 3), (1.0, 0.2, 3, 5)]
)
def test_the_smallest_selection_with_that_recall(recall, cut, found, candidates):
    point = at_recall(SCORE, POSITIVE, ONES, recall)
    assert (point.cut, point.found, point.candidates, point.total) == (cut, found, candidates, 3)
    assert point.precision == pytest.approx(found / candidates)
    assert point.recall >= recall - 1e-12


def test_the_studys_recall_is_201_of_255():
    rng = np.random.default_rng(0)
    positive = np.arange(46_948) < 255
    point = at_recall(rng.normal(3.0 * positive, 1), positive, np.ones(46_948), 0.788)
    assert point.found == 201


def test_weights_count_as_repeated_events():
    weight = np.array([1.0, 2, 3, 1, 2, 1])
    repeated = np.repeat(np.arange(6), weight.astype(int))
    for recall in (0.2, 0.5, 0.9):
        ours = at_recall(SCORE, POSITIVE, weight, recall)
        theirs = at_recall(SCORE[repeated], POSITIVE[repeated], np.ones(len(repeated)), recall)
        assert ours == theirs


def test_without_a_positive_nothing_is_said():
    point = at_recall(SCORE, np.zeros(6, dtype=bool), ONES, 0.5)
    assert np.isnan(point.precision)
    assert np.isnan(point.recall)
    assert np.isnan(average_precisions(SCORE, np.zeros(6, dtype=bool), ONES[None]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.booleans(), st.integers(0, 3)),
        min_size=2,
        max_size=40,
    ).filter(lambda rows: any(p and w for _, p, w in rows))
)
def test_average_precision_is_scikit_learns(rows):
    score, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    ours = average_precisions(score, positive, weight[None].astype(float))
    assert ours == pytest.approx([average_precision_score(positive, score, sample_weight=weight)])


def test_a_bootstrap_sample_draws_as_many_events_as_there_are():
    blocks = list(resampled(30, np.random.default_rng(0), 120))
    counts = np.concatenate(blocks)
    assert counts.shape == (120, 30)
    assert (counts.sum(axis=1) == 30).all()
    assert counts.var() == pytest.approx(1 - 1 / 30, abs=0.1)  # of a binomial with n = 30 and p = 1 / 30


def test_the_interval_is_the_spread_of_new_samples():
    """Width of the bootstrap interval against the spread of average precision over samples drawn anew."""

    def sample(seed, n=2000):
        rng = np.random.default_rng(seed)
        positive = rng.random(n) < 0.05
        return rng.normal(2.0 * positive, 1), positive

    def ap(seed):
        score, positive = sample(seed)
        return average_precisions(score, positive, np.ones((1, len(score))))[0]

    low, high = interval([ap(seed) for seed in range(200)])
    widths = []
    for seed in range(3):
        score, positive = sample(seed)
        ends = average_precision_interval(score, positive, np.ones(len(score)), np.random.default_rng(0))
        assert ends[0] < ap(seed) < ends[1]
        widths.append(ends[1] - ends[0])
    assert np.mean(widths) == pytest.approx(high - low, rel=0.25)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.booleans(), st.integers(0, 3)),
        min_size=2,
        max_size=40,
    )
)
def test_roc_area_is_scikit_learns(events):
    score, positive, weight = (np.array(column) for column in zip(*events, strict=True))
    rows = np.stack([weight, weight[::-1], np.ones(len(weight))])
    for ours, row in zip(roc_aucs(score, positive, rows), rows, strict=True):
        if row[positive].sum() == 0 or row[~positive].sum() == 0:
            assert np.isnan(ours)
        else:
            assert ours == pytest.approx(roc_auc_score(positive, score, sample_weight=row), abs=1e-12)
