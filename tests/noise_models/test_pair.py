import numpy as np

from src.noise_models.pair import Pair


def test_each_class_becomes_the_next_and_the_last_the_first():
    assert np.allclose(Pair(rate=0.3).transition(3).columns, [[0.7, 0, 0.3], [0.3, 0.7, 0], [0, 0.3, 0.7]])
