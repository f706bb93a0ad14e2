"""A packed set is complete and right, or not there."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from src.datasets import cache, packing
from src.errors import UserError


def make(path: Path, n: int, seed: int = 0) -> np.ndarray:
    maps = np.random.default_rng(seed).integers(0, 255, (n, 16_000), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("rec.training.cvnmaps/cvnmap", data=maps, chunks=(min(n, 128), 16_000), compression="gzip")
    return maps.reshape(n, 2, 100, 80)


def test_selected_rows_of_all_files_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "BLOCK", 128)
    a, b = make(tmp_path / "a.h5", 300), make(tmp_path / "b.h5", 150, seed=1)
    rows = np.array([0, 5, 127, 128, 290]), np.arange(150)
    found = packing.packed([(tmp_path / "a.h5", rows[0]), (tmp_path / "b.h5", rows[1])], "x", tmp_path / "c")
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, np.concatenate([a[rows[0]], b]))


def test_a_planted_pixel_comes_out_at_its_place(tmp_path):
    maps = np.zeros((3, 2, 100, 80), np.uint8)
    maps[1, 1, 42, 17] = 200
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["rec.training.cvnmaps/cvnmap"] = maps.reshape(3, -1)
    found = packing.packed([(tmp_path / "a.h5", np.arange(3))], "x", tmp_path / "c")
    assert np.argwhere(found).tolist() == [[1, 1, 42, 17]]
    assert np.flatnonzero(maps[1].reshape(-1)).tolist() == [8000 + 42 * 80 + 17]


def test_an_interrupted_packing_leaves_nothing_that_is_trusted(tmp_path):
    make(tmp_path / "a.h5", 300)
    path = tmp_path / "b.h5"
    make(path, 300)
    path.write_bytes(path.read_bytes()[:-100_000])
    selection = [(tmp_path / "a.h5", np.arange(300)), (path, np.arange(300))]
    with pytest.raises(UserError, match=r"b\.h5: truncated"):
        packing.packed(selection, "x", tmp_path / "c")
    assert not list((tmp_path / "c" / "packed").iterdir())


def test_no_space_is_a_sentence(tmp_path, monkeypatch):
    make(tmp_path / "a.h5", 10)
    selection = [(tmp_path / "a.h5", np.arange(10))]
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="GB are needed"):
        packing.packed(selection, "x", tmp_path / "c")
    monkeypatch.undo()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packing.os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot write the cache .*; free some space"):
        packing.packed(selection, "x", tmp_path / "c")
    assert not list((tmp_path / "c" / "packed").iterdir())


@pytest.mark.parametrize(("shape", "dtype", "why"), [
    ((5, 8000), np.uint8, "maps of 16000 bytes are needed"), ((5, 16_000), np.float32, "maps of 16000 bytes are needed"),
])  # fmt: skip
def test_a_wrong_map_length_is_a_sentence(tmp_path, shape, dtype, why):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["rec.training.cvnmaps/cvnmap"] = np.zeros(shape, dtype)
    with pytest.raises(UserError, match=why):
        packing.packed([(tmp_path / "a.h5", np.arange(5))], "x", tmp_path / "c")


def test_digests_follow_the_content(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"one")
    first = cache.digests([path], tmp_path / "c")[path]
    assert cache.digests([path], tmp_path / "c")[path] == first
    path.write_bytes(b"two!")
    assert cache.digests([path], tmp_path / "c")[path] != first
    (tmp_path / "c" / "digests.json").write_text("{torn")
    assert cache.digests([path], tmp_path / "c")[path] != first


def test_the_cache_has_a_size_cap_and_never_drops_what_is_in_use(tmp_path, monkeypatch):
    for age, name in enumerate(("new", "old", "oldest")):
        path = tmp_path / f"{name}.npy"
        path.write_bytes(b"0" * 1000)
        os.utime(path, (1000 - age, 1000 - age))
    monkeypatch.setenv("KILTER_CACHE_GB", "2e-6")
    packing.trim(tmp_path, keep=tmp_path / "oldest.npy")
    assert {path.name for path in tmp_path.iterdir()} == {"oldest.npy", "new.npy"}
