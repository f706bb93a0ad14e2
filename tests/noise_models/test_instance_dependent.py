import numpy as np
import pytest
import torch
from scipy.stats import truncnorm

from src.noise_models.instance_dependent import InstanceDependent
from tests.noise_models.splits import split_of

LABELS = np.repeat([0, 1, 2], 4000)
SPLIT = split_of(LABELS)


@pytest.mark.parametrize(("rate", "spread"), [(0.4, 0.1), (0.05, 0.1), (0.2, 0.0)])
def test_the_rate_is_that_of_the_truncated_normal(rate, spread):
    observed = InstanceDependent(rate=rate, spread=spread).corrupt(SPLIT, 3, np.random.default_rng(0))
    expected = truncnorm((0 - rate) / spread, (1 - rate) / spread, rate, spread).mean() if spread else rate
    assert np.mean(observed != LABELS) == pytest.approx(expected, abs=5 * np.sqrt(0.25 / len(LABELS)))


def wrong_class_by_side(noise, seed=0):
    """How often class 0 is taken for class 1 rather than 2, where one fixed direction of the features is high and low."""
    observed = noise.corrupt(SPLIT, 3, np.random.default_rng(seed))
    x = SPLIT.inputs.fetch(torch.arange(len(LABELS)), "cpu").numpy()
    flipped = (LABELS == 0) & (observed != 0)
    shares = []
    for feature in range(x.shape[1]):
        high = x[:, feature] > np.median(x[:, feature])
        shares.append([np.mean(observed[flipped & side] == 1) for side in (high, ~high)])
    return np.abs(np.subtract(*np.transpose(shares))).max()


def test_the_wrong_class_depends_on_the_features_if_they_decide():
    assert wrong_class_by_side(InstanceDependent(pattern=1)) > 0.3
    assert wrong_class_by_side(InstanceDependent(pattern=1, sharpness=0.0)) < 0.12


def test_the_mechanism_is_the_same_for_every_seed_and_split():
    """Two draws with certain flips agree on most examples; another pattern does not."""
    one = InstanceDependent(rate=1.0, spread=0.0, sharpness=100.0)
    a, b = (one.corrupt(SPLIT, 3, np.random.default_rng(seed)) for seed in (1, 2))
    other = InstanceDependent(rate=1.0, spread=0.0, sharpness=100.0, pattern=1).corrupt(
        SPLIT, 3, np.random.default_rng(1)
    )
    assert np.mean(a == b) > 0.95
    assert np.mean(a == other) < 0.8
