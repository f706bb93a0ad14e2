"""The correct rule keeps events in proportion to their weights; the published one does not; others than GiBUU's are left alone."""

import numpy as np
import pytest

from src.datasets.base import whole
from src.datasets.event_weights import weighted
from src.datasets.inputs import ArrayInputs
from src.errors import UserError

N = 60_000
WEIGHS = np.arange(N) >= N // 2


@pytest.fixture
def split():
    found = whole(ArrayInputs(np.zeros((N, 1), np.float32)), np.zeros(N, np.int64))
    found.weight[WEIGHS] = np.resize([0.5, 1.0, 4.0, 8.0], N // 2)
    return found


def rates(split, weighting):
    kept = np.isin(np.arange(N), weighted(split, WEIGHS, weighting, np.random.default_rng(0))[0].rows)
    assert kept[~WEIGHS].all(), "those without weights are all kept"
    return [kept[WEIGHS & (split.weight == w)].mean() for w in (0.5, 1, 4, 8)]


def test_acceptance_is_proportional_to_the_weight(split):
    assert rates(split, "accept") == pytest.approx([0.5 / 8, 1 / 8, 0.5, 1], abs=0.02)


def test_the_published_rule_is_not(split):
    """P(w > U(1, 10)) = (w - 1) / 9: never for weights below 1."""
    assert rates(split, "accept_published") == pytest.approx([0, 0, 3 / 9, 7 / 9], abs=0.02)


def test_after_acceptance_every_event_counts_one_and_a_weighted_mean_is_kept(split):
    values = np.random.default_rng(1).normal(size=N) + np.log(split.weight)
    kept, note = weighted(split, WEIGHS, "accept", np.random.default_rng(0))
    assert (kept.weight == 1).all()
    assert not kept.weigh_loss
    assert f"{len(kept) - N // 2} of {N // 2} events with weights kept" in note
    expected = np.average(values[WEIGHS], weights=split.weight[WEIGHS])
    assert values[kept.rows][WEIGHS[kept.rows]].mean() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("weighting", ["metrics", "loss"])
def test_else_all_events_stay_and_weights_are_relative(split, weighting):
    found, note = weighted(split, WEIGHS, weighting, np.random.default_rng(0))
    assert (found.weigh_loss, note) == (weighting == "loss", "")
    assert (found.weight[~WEIGHS] == 1).all()
    assert found.weight[WEIGHS].mean() == pytest.approx(1)
    assert found.weight[WEIGHS] / split.weight[WEIGHS] == pytest.approx(np.full(N // 2, 1 / 3.375))


def test_weights_of_nothing_but_zero_are_refused(split):
    split.weight[WEIGHS] = 0
    with pytest.raises(UserError, match="all weights are 0"):
        weighted(split, WEIGHS, "accept", np.random.default_rng(0))
