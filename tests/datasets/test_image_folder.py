import numpy as np
import pytest
import torch
from PIL import Image

from src.datasets.image_folder import ImageFolder
from src.datasets.pictures import decoded
from src.errors import UserError
from tests.datasets.files import make_images

CPU = torch.device("cpu")


def test_colours_tell_the_class_folder(tmp_path):
    make_images(tmp_path)
    found = ImageFolder(image_size=16).splits(tmp_path, tmp_path / "c", 0)
    assert found.class_names == ("cat", "dog")
    assert found.train.official_train is None
    x = found.test.inputs.fetch(torch.from_numpy(found.test.rows), CPU)
    assert x.shape[1:] == (3, 16, 16)
    assert np.array_equal((x[:, 0, 0, 0] > 0.2).numpy(), found.test.labels == 1)
    assert all(name.startswith(("cat/", "dog/")) for name in found.test.keys["file"])


def test_given_parts_are_kept_and_validation_is_taken_from_training(tmp_path):
    make_images(tmp_path, parts=("train", "test"), per_class=10)
    found = ImageFolder(val_fraction=0.2).splits(tmp_path, tmp_path / "c", 0)
    assert (len(found.train), len(found.val), len(found.test)) == (16, 4, 20)
    assert all(name.startswith("test/") for name in found.test.keys["file"])
    assert (found.train.official_train, len(found.train.inputs)) == (20, 40)
    make_images(tmp_path, parts=("train", "val", "test"), per_class=5, folder="three")
    three = ImageFolder(path="three").splits(tmp_path, tmp_path / "c", 0)
    assert all(name.startswith("val/") for name in three.val.keys["file"])
    assert three.train.official_train == 20, "validation pictures get observed labels too"


def test_a_folder_is_scored_without_classes(tmp_path):
    make_images(tmp_path, per_class=3)
    new = ImageFolder(channels=1, image_size=None).read(tmp_path / "images" / "cat", tmp_path / "c")
    assert new.keys["file"].tolist() == ["00.png", "01.png", "02.png"]
    assert new.inputs.shape == (1, 8, 10)


def test_a_picture_in_another_class_is_other_data(tmp_path):
    for k, name in enumerate(("cat", "cat", "cat", "dog", "dog", "dog")):
        (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (k, 0, 0)).save(tmp_path / "images" / name / f"{k}.png")
    first = ImageFolder().splits(tmp_path, tmp_path / "c", 0)
    (tmp_path / "images" / "cat" / "2.png").rename(tmp_path / "images" / "dog" / "2.png")
    second = ImageFolder().splits(tmp_path, tmp_path / "c", 0)
    assert first.fingerprint != second.fingerprint
    assert len(list((tmp_path / "c").rglob("*.npy"))) == 1


def test_mistakes_are_sentences(tmp_path):
    with pytest.raises(UserError, match="at least two class folders"):
        ImageFolder().splits(tmp_path, tmp_path / "c", 0)
    make_images(tmp_path)
    bad = tmp_path / "images" / "dog" / "99.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"99\.png: not a readable picture"):
        ImageFolder().splits(tmp_path, tmp_path / "c", 0)
    Image.new("RGB", (5, 5)).save(bad)
    with pytest.raises(UserError, match=r"99\.png: is 5 × 5 pixels, others are 10 × 8; set dataset.image_size"):
        ImageFolder(image_size=None).splits(tmp_path, tmp_path / "c", 0)
    assert not list((tmp_path / "c").rglob("*.npy"))


def test_pictures_of_sixteen_bits_keep_their_greys(tmp_path):
    ramp = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "ramp.tif")
    with Image.open(tmp_path / "ramp.tif") as image:
        assert image.mode.startswith("I;16")
    (picture,) = decoded([tmp_path / "ramp.tif"], None, 1)
    assert np.array_equal(picture[0].ravel(), np.arange(256))
