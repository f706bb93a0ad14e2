import h5py
import numpy as np
import pytest
import torch

from src.datasets.arrays import Arrays
from src.errors import UserError
from tests.datasets.files import make_arrays

CPU = torch.device("cpu")
N = 120


def splits(root, **options):
    return Arrays(**options).splits(root, root, 0)


def test_rows_stay_beside_their_labels(tmp_path):
    make_arrays(tmp_path)
    found = splits(tmp_path)
    stored = np.load(tmp_path / "arrays.npz")
    part = found.train
    assert torch.equal(part.inputs.fetch(torch.from_numpy(part.rows), CPU), torch.from_numpy(stored["X"][part.rows]))
    assert np.array_equal(stored["y"][part.rows], part.labels)


def test_domains_weights_splits_and_observed_labels_are_carried(tmp_path):
    domain = np.array(["sim", "det"])[np.arange(N) % 2]
    part = np.array(["train", "val", "test"])[np.arange(N) // 6 % 3]
    observed = (np.arange(N) + 1) % 3
    make_arrays(tmp_path, domain=domain, split=part, weight=np.linspace(0, 1, N), y_observed=observed)
    found = splits(tmp_path)
    assert found.domain_names == ("det", "sim")
    assert (found.train.labels == (found.train.clean + 1) % 3).all()
    assert (found.test.labels == found.test.clean).all()
    assert (part[found.val.rows] == "val").all()
    assert np.allclose(found.train.weight, np.linspace(0, 1, N)[found.train.rows])
    assert np.array_equal(found.train.labelled, found.train.domain == 0)
    assert splits(tmp_path, target_labels=True).train.labelled.all()


def test_columns_of_bytes_and_of_one_column_will_do(tmp_path):
    part = np.array([b"train", b"val", b"test"])[np.arange(N) // 6 % 3]
    make_arrays(tmp_path, domain=np.array([b"sim", b"det"])[np.arange(N) % 2], split=part[:, None])
    found = splits(tmp_path)
    assert found.domain_names == ("det", "sim")
    assert (part[found.test.rows] == b"test").all()


def test_the_course_files(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "c.npz", Xtr=rng.integers(0, 255, (90, 28, 28), dtype=np.uint8), Str=np.arange(90) % 3,
             Xts=rng.integers(0, 255, (30, 28, 28), dtype=np.uint8), Yts=np.arange(30) % 3)  # fmt: skip
    found = splits(tmp_path, path="c.npz", scale="unit")
    assert len(found.test) == 30
    assert found.train.inputs.shape == (1, 28, 28)
    assert "observed ones stand in" in found.notes[0]


def test_hdf5_is_the_same(tmp_path):
    make_arrays(tmp_path)
    stored = np.load(tmp_path / "arrays.npz")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"], file["y"] = stored["X"], stored["y"]
        file["split"] = np.array([b"train", b"test"])[np.arange(N) // 3 % 2]
    found = splits(tmp_path, path="a.h5")
    assert len(found.test) == 60
    assert np.array_equal(stored["y"][found.val.rows], found.val.labels)


NAN = np.zeros((N, 5), np.float32)
NAN[17, 2] = np.nan


@pytest.mark.parametrize(("change", "why"), [
    ({"X": NAN}, "X is not a finite number in row 17"),
    ({"X": np.zeros(N)}, "X must hold numbers of shape"),
    ({"X": np.array(["a"] * N)}, "X must hold numbers"),
    ({"y": np.arange(N) % 3 - 1}, "y is -1 in row 0; labels are whole numbers from 0 on"),
    ({"y": np.where(np.arange(N) == 7, 10**13, np.arange(N) % 2)}, "y is 10000000000000 in row 7"),
    ({"y": np.zeros(N, int)}, "all labels are '0'; at least two classes are needed"),
    ({"X": np.zeros((0, 5)), "y": np.zeros(0, int)}, "X is empty"),
    ({"X": np.full((N, 5), 1e300)}, "X is not a finite number in row 0"),
    ({"domain": np.zeros((N, 2))}, r"domain has the shape \(120, 2\)"),
    ({"y": np.arange(N) / 2}, "y is 0.5 in row 1"),
    ({"y": np.arange(N - 1) % 3}, r"y has the shape \(119,\), but X has 120 rows"),
    ({"weight": np.full(N, -1.0)}, "weight must hold numbers from 0 on"),
    ({"weight": np.full(N, np.nan)}, "weight is not a finite number in row 0"),
    ({"split": np.array(["trian"] * N)}, "split is 'trian' in row 0; give train, val or test"),
    ({"y": np.where(np.arange(N) % 2, 0, 2)}, "no labelled example of class '1'"),
    ({"split": np.array(["train"] * N)}, "the test part has no labelled example"),
])  # fmt: skip
def test_bad_arrays_are_named_with_their_row(tmp_path, change, why):
    make_arrays(tmp_path)
    stored = dict(np.load(tmp_path / "arrays.npz"))
    np.savez(tmp_path / "arrays.npz", **{**stored, **change})
    with pytest.raises(UserError, match=why):
        splits(tmp_path)


def test_bad_files_are_sentences(tmp_path):
    with pytest.raises(UserError, match=r"arrays\.npz: no such file"):
        splits(tmp_path)
    (tmp_path / "arrays.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(UserError, match="not a readable npz or HDF5 file"):
        splits(tmp_path)
    np.savez(tmp_path / "arrays.npz", x=np.zeros((3, 2)), y=np.arange(3))
    with pytest.raises(UserError, match="has no array 'X'"):
        splits(tmp_path)
    np.savez(tmp_path / "arrays.npz", X=np.array([{}, {}], dtype=object), y=np.arange(2))
    with pytest.raises(UserError, match="plain arrays"):
        splits(tmp_path)
