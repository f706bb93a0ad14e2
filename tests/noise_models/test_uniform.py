import numpy as np
import pytest

from src.noise_models.uniform import Uniform
from tests.noise_models.splits import split_of


@pytest.mark.parametrize(("include_self", "flipped"), [(False, 0.4), (True, 0.4 * 9 / 10)])
def test_the_two_meanings_of_forty_percent(include_self, flipped):
    noise = Uniform(rate=0.4, include_self=include_self)
    matrix = noise.transition(10).columns
    assert 1 - np.diag(matrix) == pytest.approx(np.full(10, flipped))
    labels = np.arange(50_000) % 10
    assert (noise.corrupt(split_of(labels), 10, np.random.default_rng(0)) != labels).mean() == pytest.approx(
        flipped, abs=0.01
    )


def test_exact_sampling_flips_exactly():
    labels = np.repeat(np.arange(10), 90)
    observed = Uniform(rate=0.2, sampling="exact").corrupt(split_of(labels), 10, np.random.default_rng(0))
    assert (observed != labels).sum() == 180
