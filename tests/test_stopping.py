import numpy as np
import pytest

from src.stopping import Ewma, exceeds, smoothed

GOLDEN = [1, 0.6, 0.45, 0.40, 0.38, 0.37, 0.36, 0.36, 0.37, 0.38, 0.40, 0.43, 0.46, 0.50, 0.55, 0.60, 0.66, 0.72, 0.80,
          0.88, 0.97, 1.05]  # fmt: skip


def curve(values, **changes):
    ewma = Ewma(**{"weight": 0.9, "ratio": 1.15, "best_by": "smoothed", "debias": False, **changes})
    found = []
    for epoch, value in enumerate(values, start=1):
        found.append(smoothed(found[-1] if found else float("nan"), value, epoch, ewma))
    return found


def stops_at(values, ratio=1.15):
    """The first position whose value exceeds the lowest so far."""
    return next((i for i, value in enumerate(values) if exceeds(value, min(values[: i + 1]), ratio)), None)


def test_the_golden_sequence():
    s = curve(GOLDEN)
    assert s[:2] == [1, pytest.approx(0.96)]
    assert (int(np.argmin(s)), stops_at(s)) == (14, 20)


def test_debiased_it_is_the_weighted_mean():
    w = 0.9
    for i, value in enumerate(curve(GOLDEN, debias=True)):
        weights = w ** np.arange(i, -1.0, -1.0)
        assert value == pytest.approx(np.average(GOLDEN[: i + 1], weights=weights))


def test_debiased_it_forgets_the_first_value_sooner():
    assert int(np.argmin(curve(GOLDEN, debias=True))) < 14
    flat = [5.0] + [1.0] * 30
    assert curve(flat, debias=True)[20] < curve(flat)[20]


def test_without_memory_it_is_the_loss():
    assert curve(GOLDEN, weight=0.0) == pytest.approx(GOLDEN)


def test_equal_is_not_above():
    assert not exceeds(3.0, 2.0, 1.5)
    assert exceeds(3.0001, 2.0, 1.5)
    assert not exceeds(1.0, 1.0, 1.0)


def test_losses_below_zero_stop_only_when_they_rise():
    falling = [1.0, 0.2, -0.5, -1.0, -2.0, -3.0]
    assert stops_at(falling) is None
    assert falling[4] > 1.15 * falling[4], "as the product would have it, at once"
    assert stops_at([*falling, -2.6, -2.5]) == 7
    assert not exceeds(0.0, 0.0, 1.15)
