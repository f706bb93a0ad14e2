import pickle

import pytest
import torch

from src import checkpoint
from src.errors import UserError


def test_round_trip_is_exact(tmp_path):
    state = {"model": {"w": torch.randn(3, 4)}, "epoch": 3, "best": float("nan")}
    checkpoint.save(tmp_path / "last.pt", state)
    loaded = checkpoint.load(tmp_path / "last.pt")
    assert torch.equal(loaded["model"]["w"], state["model"]["w"])
    assert loaded["epoch"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_torn_file_is_named(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"w": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UserError, match=r"last\.pt: not a readable checkpoint"):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no checkpoint here"):
        checkpoint.load(tmp_path / "best.pt")


class Bomb:
    def __reduce__(self):
        return (print, ("the file ran code",))


def test_a_file_cannot_run_code(tmp_path, capsys):
    path = tmp_path / "evil.pt"
    torch.save({"format": 1, "x": Bomb()}, path)
    with pytest.raises(UserError, match="not a readable checkpoint"):
        checkpoint.load(path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError):
        checkpoint.load(path)
    assert "ran code" not in capsys.readouterr().out


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"epoch": 1})

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match="No space left"):
        checkpoint.save(path, {"epoch": 2})
    monkeypatch.undo()
    assert checkpoint.load(path)["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]
