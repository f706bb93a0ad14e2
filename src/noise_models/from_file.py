"""Observed labels that somebody else made: a file of human annotations, say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from src.errors import UserError
from src.noise_models.base import NoiseModel
from src.task import IntArray, Split


class FromFile(NoiseModel):
    """One label (a class number, 0 to C-1) for each of the data set's training examples, in the data set's own order.

    `path`: a .npy file (relative to where the command is typed), or text with one label a line. The right labels stay sealed and measure the realised matrix.
    """

    def __init__(self, *, path: str = "labels.npy") -> None:
        self.path = Path(path)

    def transition(self, num_classes: int) -> None:
        return None

    def corrupt(self, split: Split, num_classes: int, rng: np.random.Generator) -> IntArray:
        labels = self._read()
        if split.rows.max(initial=-1) >= len(labels) or len(labels) > len(split.inputs):
            needed = split.rows.max(initial=-1) + 1
            raise UserError(
                f"{self.path}: {len(labels)} labels, but the training examples are among the first {needed} or more of the "
                f"data set's {len(split.inputs)}; one label for each is needed, in the data set's order"
            )
        observed = labels[split.rows]
        wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
        wrong = wrong[np.isin(wrong, split.rows)]
        if len(wrong):
            raise UserError(
                f"{self.path}: label {labels[wrong[0]]} in row {wrong[0]}; 0 to {num_classes - 1} are possible"
            )
        return observed

    def fingerprint(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.path.is_file() else ""

    def _read(self) -> IntArray:
        try:
            values = (
                np.load(self.path, allow_pickle=False) if self.path.suffix == ".npy" else np.loadtxt(self.path, ndmin=1)
            )
        except FileNotFoundError:
            raise UserError(f"{self.path}: no such file (noise_model.path)") from None
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{self.path}: not a file of labels ({str(error).splitlines()[0]})") from None
        if values.ndim != 1 or values.dtype.kind not in "iuf" or (values != np.floor(values)).any():
            raise UserError(
                f"{self.path}: one whole number for each example is needed, not {values.dtype} {values.shape}"
            )
        return values.astype(np.int64)
