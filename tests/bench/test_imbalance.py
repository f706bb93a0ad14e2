"""The rows of `make bench` about samplers can be made."""

import pytest

from tests.bench.bench_imbalance import N, order_times, samplers


@pytest.mark.parametrize(("name", "options"), [*samplers()])
def test_every_sampler_is_measured(name, options):
    times, size = order_times(name, options, 2000)
    assert len(times) == N
    assert min(times) > 0
    assert 100 < size <= 2000
