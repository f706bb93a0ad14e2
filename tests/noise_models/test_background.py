import numpy as np
import pytest

from src.errors import UserError
from src.noise_models.background import Background
from tests.noise_models.splits import split_of


def test_noise_and_imbalance_at_once():
    labels = np.repeat([0, 1, 2], 1000)
    observed = Background(rate=0.4, to=2, sampling="exact").corrupt(split_of(labels), 3, np.random.default_rng(0))
    assert np.bincount(observed).tolist() == [600, 600, 1800]
    assert (observed[labels == 2] == 2).all()


def test_the_background_is_a_class():
    with pytest.raises(UserError, match=r"noise_model\.to=3: the dataset's classes are 0 to 2"):
        Background(to=3).transition(3)
