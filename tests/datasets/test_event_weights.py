"""The correct rule keeps events in proportion to their weights; the published one does not."""

import numpy as np
import pytest

from src.datasets.base import whole
from src.datasets.event_weights import accepted, weighted
from src.datasets.inputs import ArrayInputs

N = 60_000


@pytest.fixture
def split():
    found = whole(ArrayInputs(np.zeros((N, 1), np.float32)), np.zeros(N, np.int64))
    found.domain[N // 2 :] = 1
    found.weight[N // 2 :] = np.resize([0.5, 1.0, 4.0, 8.0], N // 2)
    return found


def rates(split, weighting):
    kept = accepted(split, weighting, np.random.default_rng(0))
    assert kept[split.domain == 0].all(), "the source's events weigh alike: all of them are kept"
    return [kept[(split.domain == 1) & (split.weight == w)].mean() for w in (0.5, 1, 4, 8)]


def test_acceptance_is_proportional_to_the_weight(split):
    assert rates(split, "accept") == pytest.approx([0.5 / 8, 1 / 8, 0.5, 1], abs=0.02)


def test_the_published_rule_is_not(split):
    """P(w > U(1, 10)) = (w - 1) / 9: never for weights below 1."""
    assert rates(split, "accept_published") == pytest.approx([0, 0, 3 / 9, 7 / 9], abs=0.02)


def test_after_acceptance_every_event_counts_one_and_a_weighted_mean_is_kept(split):
    values = np.random.default_rng(1).normal(size=N) + np.log(split.weight)
    kept, note = weighted(split, "accept", np.random.default_rng(0))
    assert (kept.weight == 1).all()
    assert not kept.weigh_loss
    assert f"{len(kept)} of {N} events kept (by domain: 1.000, 0.4" in note
    target = split.domain == 1
    expected = np.average(values[target], weights=split.weight[target])
    assert values[kept.rows][kept.domain == 1].mean() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("weighting", ["metrics", "loss"])
def test_else_all_events_and_weights_stay(split, weighting):
    found, note = weighted(split, weighting, np.random.default_rng(0))
    assert (found.weigh_loss, note) == (weighting == "loss", "")
    assert np.array_equal(found.weight, split.weight)
