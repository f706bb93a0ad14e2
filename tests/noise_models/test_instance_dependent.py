from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest, truncnorm

from src.noise_models.instance_dependent import InstanceDependent, truncated_centre
from src.noise_models.uniform_published import UniformPublished
from tests.noise_models.splits import split_of

LABELS = np.repeat([0, 1, 2], 4000)
SPLIT = split_of(LABELS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("rate", "spread"), [
    (0.4, 0.1), (0.05, 0.1), (0.95, 0.3), (0.2, 0.0), (0.3, 20.0), (0.0, 0.1), (1.0, 0.3),
])  # fmt: skip
def test_the_rate_is_the_share_of_wrong_labels(rate, spread):
    observed = InstanceDependent(rate=rate, spread=spread).corrupt(SPLIT, 3, np.random.default_rng(0))
    assert np.mean(observed != LABELS) == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / len(LABELS)))


def test_the_probabilities_are_those_of_a_truncated_normal():
    rates = InstanceDependent(rate=0.1, spread=0.2).rates(50_000)
    assert 0 <= rates.min() < 0.01
    assert rates.max() <= 1
    centre = truncated_centre(0.1, 0.2)
    assert centre < 0
    assert kstest(rates, truncnorm(-centre / 0.2, (1 - centre) / 0.2, centre, 0.2).cdf).pvalue > 0.001
    assert np.std(InstanceDependent(rate=0.5, spread=0.1).rates(50_000)) == pytest.approx(0.1, abs=0.002)


def flips(noise, seed):
    return noise.corrupt(SPLIT, 3, np.random.default_rng(seed)) != LABELS


def test_whether_a_label_is_wrong_depends_on_the_features():
    """The same examples are wrong in two draws far oftener than by chance, if their probabilities differ: by their variance."""
    for spread in (0.3, 0.1):
        noise = InstanceDependent(rate=0.5, spread=spread)
        variance = float(np.var(noise.rates(4000)))
        both = np.mean(flips(noise, 1) & flips(noise, 2))
        assert both - 0.25 == pytest.approx(variance, abs=4 * np.sqrt(0.25 * 0.75 / len(LABELS)))
    assert variance < 0.011
    steep = InstanceDependent(rate=0.5, spread=20.0)  # nearly as far apart as they can be: uniform from 0 to 1
    hard = flips(steep, 1) & flips(steep, 2) & flips(steep, 3)
    assert np.mean(flips(steep, 4)[hard]) == pytest.approx(0.8, abs=0.03)  # the mean of q⁴ over that of q³
    other = InstanceDependent(rate=0.5, spread=20.0, pattern=1)
    assert abs(np.mean(flips(other, 4)[hard]) - 0.5) < 0.15  # another direction, at random, of six


@pytest.mark.parametrize("noise", [InstanceDependent(rate=0.9), UniformPublished(rate=0.9)])
def test_hidden_labels_stay_hidden(noise):
    hidden = np.where(np.arange(len(LABELS)) % 3 == 0, -1, LABELS)
    observed = noise.corrupt(replace(SPLIT, labels=hidden), 3, np.random.default_rng(0))
    assert np.array_equal(observed < 0, hidden < 0)


def test_every_class_is_wrong_as_often():
    wrong = flips(InstanceDependent(rate=0.3, spread=0.3), 0).reshape(3, -1).mean(axis=1)
    assert wrong == pytest.approx([0.3] * 3, abs=4 * np.sqrt(0.21 / 4000))


def test_a_mean_that_a_spread_cannot_have_is_a_sentence():
    with pytest.raises(
        ValueError, match=r"rate=0\.001 with spread=0\.2: so near to 0 or 1 give a spread of at most 0\.1"
    ):
        InstanceDependent(rate=0.001, spread=0.2)
    with pytest.raises(ValueError, match="so near to 0 or 1"):
        InstanceDependent(rate=0.999, spread=1000.0)


def wrong_class_by_side(noise, seed=3):
    """How often class 0 is taken for class 1 rather than 2, where one fixed direction of the features is high and low."""
    observed = noise.corrupt(SPLIT, 3, np.random.default_rng(seed))
    x = SPLIT.inputs.fetch(torch.arange(len(LABELS)), "cpu").numpy()
    flipped = (LABELS == 0) & (observed != 0)
    shares = []
    for feature in range(x.shape[1]):
        high = x[:, feature] > np.median(x[LABELS == 0, feature])
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
