import numpy as np
import pytest
import torch

from src.datasets.mnist import MNIST
from src.errors import UserError
from tests.datasets.files import make_idx

CPU = torch.device("cpu")


def splits(root, **options):
    return MNIST(**options).splits(root, root, 0)


def test_pictures_stand_beside_their_labels(tmp_path):
    make_idx(tmp_path, "MNIST")
    found = splits(tmp_path, val_fraction=0.25)
    assert (len(found.train), len(found.val), len(found.test)) == (150, 50, 50)
    for part in (found.train, found.val, found.test):
        x = part.inputs.fetch(torch.from_numpy(part.rows), CPU)
        assert torch.allclose(x[:, 0, 5, 5] * 255, 20.0 * torch.from_numpy(part.labels), atol=1e-3)


def test_chosen_classes_are_renumbered_in_training_and_test(tmp_path):
    make_idx(tmp_path, "MNIST")
    found = splits(tmp_path, classes=[9, 4])
    assert found.class_names == ("9", "4")
    assert found.train.official_train == found.val.official_train == 200, (
        "whatever the classes: rows count all pictures"
    )
    x = found.test.inputs.fetch(torch.from_numpy(found.test.rows), CPU)[:, 0, 0, 0] * 255
    assert set(x.round().int().tolist()) == {180, 80}
    assert np.array_equal(found.test.labels == 0, x.round().numpy() == 180)


def test_size_and_channels(tmp_path):
    make_idx(tmp_path, "MNIST")
    inputs = splits(tmp_path, image_size=32, channels=3).train.inputs
    x = inputs.fetch(torch.tensor([3]), CPU)
    assert x.shape == (1, 3, 32, 32)
    assert torch.allclose(x, torch.tensor(60 / 255), atol=1e-3)


def test_new_pictures_are_read_without_labels(tmp_path):
    make_idx(tmp_path, "MNIST")
    new = MNIST().read(tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte", tmp_path)
    found = splits(tmp_path)
    rows = torch.arange(len(new.inputs))
    assert torch.equal(new.inputs.fetch(rows, CPU), found.test.inputs.fetch(torch.from_numpy(found.test.rows), CPU))
    with pytest.raises(UserError, match="3 dimensions of bytes are needed"):
        MNIST().read(tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte", tmp_path)


@pytest.mark.parametrize(
    ("scale", "brightest"), [("none", 180), ("unit", 180 / 255), ("log", np.log(181) / np.log(256)), ("minmax", 0)]
)
def test_new_pictures_are_scaled_as_in_training(tmp_path, scale, brightest):
    """Every picture is of one grey level, so that none is left of its own range."""
    make_idx(tmp_path, "MNIST")
    learned = splits(tmp_path, scale=scale).train.inputs
    new = MNIST(scale=scale).read(tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte", tmp_path).inputs
    rows = torch.arange(len(new))
    assert torch.equal(new.fetch(rows, CPU), learned.fetch(rows, CPU))
    assert new.fetch(rows, CPU).max().item() == pytest.approx(brightest)


def test_missing_files_are_named_with_a_remedy(tmp_path):
    with pytest.raises(UserError, match=r"MNIST/raw/train-images-idx3-ubyte: no such file; .*dataset\.download=true"):
        splits(tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 100, 5000])
def test_a_truncated_file_is_a_sentence(tmp_path, keep):
    make_idx(tmp_path, "MNIST")
    path = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="train-images-idx3-ubyte: not a readable idx file"):
        splits(tmp_path)


def test_a_failed_download_is_a_sentence(tmp_path, monkeypatch):
    from torchvision import datasets

    def offline(*args, **kwargs):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(datasets.MNIST, "download", offline)
    with pytest.raises(UserError, match="the download failed"):
        splits(tmp_path, download=True)
