"""Seeds and their differences: identities, hand-made numbers, SciPy as the oracle."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from src.evaluation.statistics import _sign_flip, aggregate, holm, paired, summary, trend, verdict

NUMBERS = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=2, max_size=8)


def test_a_summary_is_students_interval():
    found = summary([0.7, 0.8, 0.75])
    low, high = stats.t.interval(0.95, 2, loc=0.75, scale=stats.sem([0.7, 0.8, 0.75]))
    assert found == pytest.approx({"mean": 0.75, "sd": 0.05, "n": 3, "low": low, "high": high})


def test_one_seed_has_no_spread():
    found = summary([0.5])
    assert (found["mean"], found["n"]) == (0.5, 1)
    assert np.isnan([found["sd"], found["low"], found["high"]]).all()


@pytest.mark.parametrize("function", [summary, lambda x: aggregate(x, "mean"), paired])
def test_nothing_is_refused(function):
    with pytest.raises(ValueError, match="no "):
        function([])


def test_middles():
    values = [0, 1, 2, 3, 4, 5, 6, 100]
    assert aggregate(values, "mean") == np.mean(values)
    assert aggregate(values, "median") == 3.5
    assert aggregate(values, "iqm") == np.mean([2, 3, 4, 5])


@settings(max_examples=60, deadline=None)
@given(NUMBERS)
def test_sign_flips_are_scipys_paired_permutations(d):
    d = np.array(d)
    oracle = stats.permutation_test(
        (d, np.zeros_like(d)), lambda a, b, axis: np.mean(a - b, axis=axis), vectorized=True, permutation_type="samples",
        n_resamples=np.inf, alternative="two-sided",
    )  # fmt: skip
    assert paired(d)["p"] == pytest.approx(oracle.pvalue, abs=1e-9) or abs(d.mean()) < 1e-9


def test_three_seeds_can_never_claim():
    found = paired([0.5, 0.6, 0.55])
    assert found["p"] == found["smallest_p"] == 0.25
    assert verdict(found, found["p"]) == "too few seeds to claim"


def test_six_seeds_can_and_ten_comparisons_of_them_cannot():
    found = paired([0.1, 0.12, 0.09, 0.11, 0.1, 0.13])
    assert found["p"] == pytest.approx(2 / 64)
    assert verdict(found, found["p"]) == "better"
    assert verdict({**found, "mean": -0.1}, found["p"]) == "worse"
    assert verdict(found, 0.3, comparisons=10) == "too few seeds to claim"
    mixed = paired([0.1, -0.12, 0.09, -0.11, 0.1, 0.03])
    assert verdict(mixed, mixed["p"]) == "no difference shown"


def test_the_interval_is_bca_and_holds_the_mean():
    d = [0.02, 0.05, -0.01, 0.03, 0.08]
    oracle = stats.bootstrap((d,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    found = paired(d)
    assert (found["low"], found["high"]) == (oracle.low, oracle.high)
    assert found["low"] < found["mean"] < found["high"]


def test_equal_differences_have_a_point_for_an_interval():
    found = paired([0.25, 0.25, 0.25])
    assert (found["low"], found["high"]) == (0.25, 0.25)


def test_many_pairs_are_sampled_reproducibly():
    d = np.random.default_rng(1).normal(0.1, 1, 40)
    assert paired(d) == paired(d)
    assert paired(d)["p"] == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.02)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_keeps_the_order_and_never_lowers(p):
    adjusted = holm(p)
    assert all(a >= b - 1e-12 and a <= 1 for a, b in zip(adjusted, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


@given(st.lists(st.integers(-6, 6), min_size=2, max_size=7))
def test_sign_flips_count_ties_whatever_the_rounding(hundredths):
    signs = np.array(list(itertools.product((1, -1), repeat=len(hundredths))))
    exact = np.mean(np.abs(signs @ hundredths) >= abs(sum(hundredths)))
    assert _sign_flip(np.array(hundredths) / 100, 0) == exact


def test_a_trend_is_the_mean_slope_and_page_s_test_in_its_direction():
    rng = np.random.default_rng(0)
    levels = [0.5, 0.0, 1.0, 0.1]
    rising = np.array(levels) * 2 + rng.normal(0, 0.1, (6, 4))
    found = trend(rising, levels)
    assert found["mean"] == pytest.approx(np.mean([np.polyfit(levels, row, 1)[0] for row in rising]))
    assert found["low"] < 2 < found["high"]
    order = np.argsort(levels)
    assert found["p"] == 2 * stats.page_trend_test(rising[:, order]).pvalue < 0.001
    falling = trend(-rising, levels)
    assert (falling["mean"], falling["p"], falling["n"]) == (-found["mean"], found["p"], 6)
    assert trend(rng.normal(size=(6, 4)), levels)["p"] > 0.05


@pytest.mark.parametrize("values", [[[1.0, 2.0], [2.0, 3.0]], [[1.0, 2.0, 3.0]]])
def test_two_levels_or_one_seed_have_no_trend(values):
    with pytest.raises(ValueError, match="two seeds and three levels at least"):
        trend(values, range(len(values[0])))
