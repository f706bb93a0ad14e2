import numpy as np

from src.datasets.fashion_mnist import FashionMNIST


def test_the_label_noise_studys_reduced_set(real_data, tmp_path):
    found = FashionMNIST(classes=[0, 1, 3]).splits(real_data, tmp_path, 0)
    assert len(found.train) + len(found.val) == 18_000
    assert len(found.test) == 3_000
    assert np.bincount(found.test.labels).tolist() == [1000, 1000, 1000]
    assert found.class_names == ("T-shirt-top", "Trouser", "Dress")
