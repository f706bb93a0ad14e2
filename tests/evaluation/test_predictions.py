"""predictions.npz: what goes in comes out, without pickle, whole or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from src.errors import UserError
from src.evaluation import predictions

COLUMNS = ("probabilities", "labels", "clean", "domain", "weight", "rows")


def test_round_trip(make, tmp_path):
    path = tmp_path / "predictions.npz"
    written = {"val": make(20), "test": make(50, num_classes=5, seed=1)}
    written["val"] = replace(written["val"], keys={"name": np.array(["µ", "long name"] * 10, dtype=object)})
    predictions.save(path, **written)
    read = predictions.load(path)
    assert list(read) == ["val", "test"]
    for split, expected in written.items():
        for name in COLUMNS:
            found = getattr(read[split], name)
            np.testing.assert_array_equal(found, getattr(expected, name))
            assert found.dtype == getattr(expected, name).dtype
        assert read[split].keys.keys() == expected.keys.keys()
        for name, column in expected.keys.items():
            np.testing.assert_array_equal(read[split].keys[name], column)
    assert read["val"].keys["name"].dtype.kind == "U"
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.npz"]


def test_array_names(make, tmp_path):
    predictions.save(tmp_path / "p.npz", test=make(5))
    with np.load(tmp_path / "p.npz", allow_pickle=False) as file:
        expected = {f"test.{name}" for name in (*COLUMNS, "key.run", "key.file")}
        assert set(file.files) == expected


def test_failed_write_keeps_the_old_file(make, tmp_path, monkeypatch):
    path = tmp_path / "p.npz"
    predictions.save(path, test=make(5))
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(UserError, match="no space left"):
        predictions.save(path, test=make(9))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_bad_files(make, tmp_path):
    path = tmp_path / "p.npz"
    with pytest.raises(UserError, match="no such file"):
        predictions.load(path)
    predictions.save(path, test=make(200))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    np.save(tmp_path / "array.npy", np.zeros(3))
    one_array = (tmp_path / "array.npy").read_bytes()
    for content in (b"", b"PK\x03\x04garbage", whole[:2000], bytes(flipped), one_array):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a predictions file"):
            predictions.load(path)
    np.savez(path, **{"test.labels": np.zeros(3)})
    with pytest.raises(UserError, match="not a predictions file"):
        predictions.load(path)
    np.savez(path, **{f"test.{name}": np.array([{}]) for name in COLUMNS})  # needs pickle
    with pytest.raises(UserError, match="not a predictions file"):
        predictions.load(path)


def test_lengths_must_agree(make):
    with pytest.raises(ValueError, match="weight has shape"):
        replace(make(5), weight=np.ones(4))
    with pytest.raises(ValueError, match="run has shape"):
        replace(make(5), keys={"run": np.ones(4)})
    with pytest.raises(ValueError, match="probabilities have shape"):
        replace(make(5), probabilities=np.ones(5, dtype=np.float32))


def test_select(make):
    p = make(10)
    half = p.select(np.arange(10) % 2 == 0)
    assert len(half) == 5
    np.testing.assert_array_equal(half.rows, p.rows[::2])
    np.testing.assert_array_equal(half.keys["file"], p.keys["file"][::2])
