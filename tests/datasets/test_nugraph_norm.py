"""Exact moments whatever the blocks; the reference's, as wrong as there."""

from itertools import pairwise

import numpy as np
import pytest

from src.datasets.nugraph_norm import exact, reference
from tests.datasets.raw_graphs import TOY


@pytest.fixture
def golden():
    with np.load(TOY.with_name("golden_units.npz")) as stored:
        x, cuts = stored["norm/x"], stored["norm/splits"]
        batches = [x[start:stop] for start, stop in pairwise(cuts)]
        yield batches, {name: stored[f"norm/{name}"] for name in ("out", "true_mean", "true_std_unbiased")}


def test_the_exact_norm_is_mean_and_unbiased_deviation(golden):
    batches, known = golden
    np.testing.assert_allclose(exact(batches), [known["true_mean"], known["true_std_unbiased"]], rtol=1e-6)


def test_the_reference_norm_is_its_own(golden):
    batches, known = golden
    np.testing.assert_allclose(reference(batches), known["out"], rtol=1e-6)
    assert (reference(batches)[1] > exact(batches)[1] * 1.005).all()


def test_blocks_do_not_matter_even_far_from_zero():
    x = np.random.default_rng(0).normal(1e6, 0.1, (1000, 2))
    cuts = [x[:1], x[1:1], x[1:700], x[700:]]
    expected = np.stack([x.mean(axis=0), x.std(axis=0, ddof=1)])
    np.testing.assert_allclose(exact(cuts), expected, rtol=1e-6)
    np.testing.assert_allclose(exact([x]), expected, rtol=1e-6)


def test_a_feature_that_does_not_vary_is_left_at_its_scale():
    assert exact([np.full((9, 1), 3.0)]).tolist() == [[3.0], [1.0]]
    assert exact([np.array([[7.0]])]).tolist() == [[7.0], [1.0]]
    assert exact([np.zeros((0, 2))]).tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_a_batch_of_one_row_spoils_the_reference_norm_as_it_does_there():
    x = np.random.default_rng(0).normal(size=(5, 2))
    assert np.isnan(reference([x[:4], x[4:]])[1]).all()
    assert np.isfinite(exact([x[:4], x[4:]])).all()
