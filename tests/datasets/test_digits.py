import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from src.datasets.digits import Digits
from src.errors import UserError


def test_the_pictures_are_scikit_learns(tmp_path):
    images, labels = load_digits(return_X_y=True)
    found = Digits().splits(tmp_path, tmp_path, 0)
    part = found.test
    x = part.inputs.fetch(torch.from_numpy(part.rows), torch.device("cpu"))
    assert torch.allclose(x.flatten(1) * 16, torch.from_numpy(images[part.rows]).float())
    assert (labels[part.rows] == part.labels).all()
    assert len(found.train) + len(found.val) + len(found.test) == 1797


def test_new_digits_are_scaled_alike(tmp_path):
    images, _ = load_digits(return_X_y=True)
    np.savez(tmp_path / "new.npz", X=images[:5].reshape(5, 8, 8))
    rows = torch.arange(5)
    found = Digits().splits(tmp_path, tmp_path, 0).train.inputs.fetch(rows, torch.device("cpu"))
    assert torch.equal(Digits().read(tmp_path / "new.npz", tmp_path).inputs.fetch(rows, torch.device("cpu")), found)
    np.savez(tmp_path / "new.npz", X=images)
    with pytest.raises(UserError, match=r"X must have the shape \(n, 8, 8\)"):
        Digits().read(tmp_path / "new.npz", tmp_path)
