import contextlib
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.datasets.cifar10 import CIFAR10, unpickled
from src.errors import UserError
from tests.datasets.files import make_cifar


def test_ten_images_of_each_batch(tmp_path):
    make_cifar(tmp_path, n=10)
    found = CIFAR10(val_fraction=0.2).splits(tmp_path, tmp_path, 0)
    assert len(found.train) + len(found.val) == 50
    assert len(found.test) == 10
    x = found.test.inputs.fetch(torch.from_numpy(found.test.rows), torch.device("cpu"))
    assert x.shape == (10, 3, 32, 32)
    assert torch.allclose(x[:, 0, 0, 0] * 255, 2.0 * torch.from_numpy(found.test.labels))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_every_age_are_read(tmp_path, protocol):
    make_cifar(tmp_path, n=10)
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    data = np.arange(10 * 3072, dtype=np.uint8).reshape(10, 3072)
    path.write_bytes(pickle.dumps({b"data": data, b"labels": list(range(10))}, protocol=protocol))
    found = CIFAR10().splits(tmp_path, tmp_path, 0)
    x = found.test.inputs.fetch(torch.from_numpy(found.test.rows), torch.device("cpu"))
    assert torch.equal((x * 255).round().byte().flatten(1), torch.from_numpy(data))


def test_class_folders_are_read_too(tmp_path):
    for part, n in (("train", 8), ("test", 2)):
        for number, name in enumerate(("ant", "bee")):
            folder = tmp_path / "cifar10" / part / name
            folder.mkdir(parents=True)
            for k in range(n):
                Image.new("RGB", (32, 32), (number * 200, 0, 0)).save(folder / f"{k}.png")
    found = CIFAR10(val_fraction=0.25).splits(tmp_path, tmp_path, 0)
    assert found.class_names == ("ant", "bee")
    assert (len(found.train), len(found.val), len(found.test)) == (12, 4, 4)


def test_new_pictures_are_scaled_as_in_training(tmp_path):
    make_cifar(tmp_path, n=10)
    batch, folder = tmp_path / "cifar-10-batches-py" / "test_batch", tmp_path / "new"
    folder.mkdir()
    Image.new("RGB", (32, 32), (18, 0, 0)).save(folder / "a.png")
    first, cpu = torch.tensor([9]), torch.device("cpu")
    for scale, value in (("none", 18), ("unit", 18 / 255), ("log", np.log(19) / np.log(256))):
        cifar = CIFAR10(scale=scale)
        tested = cifar.splits(tmp_path, tmp_path, 0).test
        x = tested.inputs.fetch(torch.from_numpy(tested.rows[9:]), cpu)
        assert x[0, 0, 0, 0].item() == pytest.approx(value)
        assert torch.equal(cifar.read(batch, tmp_path).inputs.fetch(first, cpu), x)
        picture = cifar.read(folder, tmp_path).inputs.fetch(torch.tensor([0]), cpu)
        assert torch.equal(picture[:, 0], x[:, 0])


class Bomb:
    def __reduce__(self):
        return (print, ("the file ran code",))


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path, capsys, protocol):
    make_cifar(tmp_path, n=10)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(pickle.dumps({b"data": Bomb(), b"labels": [0]}, protocol=protocol))
    with pytest.raises(UserError, match=r"data_batch_3: not an official python batch .*print, which is not data"):
        CIFAR10().splits(tmp_path, tmp_path, 0)
    assert "ran code" not in capsys.readouterr().out


@given(
    st.sampled_from([2, 4, 5]), st.lists(st.tuples(st.integers(-90, 180), st.integers(0, 255)), min_size=1, max_size=3)
)
@settings(max_examples=200, deadline=None)
def test_a_corrupted_batch_is_read_or_refused(tmp_path_factory, protocol, flips):
    content = bytearray(pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}, protocol=protocol))
    for position, value in flips:
        content[position] = value
    path = tmp_path_factory.getbasetemp() / "batch"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert isinstance(unpickled(path), dict)


@pytest.mark.parametrize(("content", "why"), [
    ({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, "numbers that are not bytes"),
    ({b"data": np.array([print, 1]), b"labels": [0, 1]}, "not an official python batch"),
    ({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 1]}, "3,072 bytes"),
    ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, "one whole number for each of 2 pictures"),
    ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]}, "label 10 in row 1; 0 to 9 are possible"),
    ([1, 2], "a list"),
])  # fmt: skip
def test_wrong_contents_are_sentences(tmp_path, content, why):
    make_cifar(tmp_path, n=10)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=why):
        CIFAR10().splits(tmp_path, tmp_path, 0)


def test_a_truncated_or_missing_batch_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="unpack the official python version there"):
        CIFAR10().splits(tmp_path, tmp_path, 0)
    make_cifar(tmp_path, n=10)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="data_batch_2: not an official python batch"):
        CIFAR10().splits(tmp_path, tmp_path, 0)
    path.unlink()
    with pytest.raises(UserError, match="data_batch_2: "):
        CIFAR10().splits(tmp_path, tmp_path, 0)
