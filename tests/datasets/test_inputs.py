import errno

import numpy as np
import pytest
import torch

from src.datasets import cache
from src.datasets.inputs import ArrayInputs, scaled
from src.errors import UserError


def test_scales():
    raw = torch.tensor([[0, 51, 255], [10, 10, 10]], dtype=torch.uint8)
    assert torch.equal(scaled(raw, "none"), raw.float())
    torch.testing.assert_close(scaled(raw, "unit"), raw.float() / 255)
    assert scaled(raw, "log").max() == pytest.approx(1)
    torch.testing.assert_close(scaled(raw, "minmax"), torch.tensor([[0, 0.2, 1], [0, 0, 0]]))


def test_stored_floats_are_not_changed_by_scaling():
    stored = torch.tensor([[255.0, 0.0]])
    scaled(stored, "unit")
    assert stored.tolist() == [[255.0, 0.0]]


def test_a_packed_array_is_mapped_and_made_once(tmp_path):
    made = []

    def rows():
        made.append(1)
        yield from np.arange(12, dtype=np.uint8).reshape(3, 4)

    for _ in range(2):
        inputs = ArrayInputs(cache.kept(tmp_path / "a" / "x.npy", 3, rows()), "none")
        assert inputs.streams
        assert inputs.fetch(torch.tensor([2]), torch.device("cpu")).tolist() == [[8, 9, 10, 11]]
    assert len(made) == 1


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", full)
    with pytest.raises(UserError, match=r"x\.npy: cannot write the cache .*; free some space"):
        cache.kept(tmp_path / "x.npy", 3, np.zeros((3, 2)))
    assert not list(tmp_path.iterdir())


def test_an_unwritable_cache_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="give another cache_root"):
        cache.kept(tmp_path / "file" / "x.npy", 3, np.zeros((3, 2)))
