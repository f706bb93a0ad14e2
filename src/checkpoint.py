"""Checkpoints: written whole or not at all, read without running anything that the file says."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from src.errors import UserError

FORMAT = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values; the file appears under its name only when complete."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot write the checkpoint ({error}); free some space or change runs_root") from None


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The saved state, on the device. Raises UserError for a missing, torn or foreign file."""
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no checkpoint here") from None
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a readable checkpoint ({str(error).splitlines()[0]})") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path}: a checkpoint of another version of Kilter")
    return state
