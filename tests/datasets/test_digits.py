import torch
from sklearn.datasets import load_digits

from src.datasets.digits import Digits


def test_the_pictures_are_scikit_learns(tmp_path):
    images, labels = load_digits(return_X_y=True)
    found = Digits().splits(tmp_path, tmp_path, 0)
    part = found.test
    x = part.inputs.fetch(torch.from_numpy(part.rows), torch.device("cpu"))
    assert torch.allclose(x.flatten(1) * 16, torch.from_numpy(images[part.rows]).float())
    assert (labels[part.rows] == part.labels).all()
    assert len(found.train) + len(found.val) + len(found.test) == 1797
