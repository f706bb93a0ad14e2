"""The study's own numbers give the study's factor and error; the interval covers the truth and knows equality."""

import numpy as np
import pytest

from src.evaluation.improvement import Improvement, improvement
from src.evaluation.working_point import WorkingPoint, at_recall


def test_the_studys_factor_and_its_error():
    """201 of 2,489 candidates against 366 ± 18 with precision .547 ± .025: 6.8 ± 0.6, and 1/7 of the load."""
    former = WorkingPoint(np.nan, 201, 2489, 255)
    models = tuple(WorkingPoint(0, 201, 201 / p, 255) for p in 0.547 + 0.025 * np.array([-1.0, 0, 0, 1]) * np.sqrt(1.5))
    found = Improvement(former, models, np.nan, np.nan)
    assert found.factor == pytest.approx(6.8, abs=0.05)
    assert found.error == pytest.approx(0.6, abs=0.05)
    assert 1 / found.load == pytest.approx(6.8, abs=0.1)
    assert former.precision == pytest.approx(0.081, abs=5e-4)
    assert former.recall == pytest.approx(0.788, abs=5e-4)


def sample(seed, models=4, n=6000, distance=3.0):
    """Scores that share what an event is; a selection by a worse one of them."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.02
    common = rng.normal(distance * positive, 1)
    scores = [common + rng.normal(0, 0.3, n) for _ in range(models)]
    kept = common + rng.normal(0, 1.5, n) > 2.0
    return kept, scores, positive


def test_a_better_score_is_found_better_and_the_interval_holds_the_factor_of_many_samples():
    kept, scores, positive = sample(0)
    found = improvement(kept, scores, positive, np.random.default_rng(0))
    assert all(one.recall >= found.selection.recall for one in found.models)
    assert 1 < found.low < found.factor < found.high
    kept, scores, positive = sample(1, n=200_000)
    selection = WorkingPoint(np.nan, (kept & positive).sum(), kept.sum(), positive.sum())
    better = [at_recall(score, positive, np.ones(len(kept)), selection.recall).precision for score in scores]
    assert found.low < np.mean(better) / selection.precision < found.high


def test_a_score_is_no_better_than_its_own_cut():
    rng = np.random.default_rng(0)
    positive = rng.random(4000) < 0.05
    score = rng.normal(2.0 * positive, 1)
    found = improvement(score > 1.5, [score], positive, np.random.default_rng(0))
    assert found.factor >= 1  # the cut that keeps as many may be a little higher
    assert found.factor == pytest.approx(1, abs=0.02)
    assert found.low <= 1.01


def test_the_same_generator_gives_the_same_interval():
    given = sample(2)
    one, other = (improvement(*given, np.random.default_rng(5)) for _ in range(2))
    assert (one.low, one.high) == (other.low, other.high)


def test_over_a_selection_that_found_nothing_nothing_is_said():
    _, scores, positive = sample(3)
    found = improvement(np.zeros(len(positive), dtype=bool), scores, positive, np.random.default_rng(0))
    assert np.isnan([found.factor, found.error, found.load, found.low, found.high]).all()
