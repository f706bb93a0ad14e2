"""Observed labels that somebody else made: a file of human annotations, say."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.noise_models.base import NoiseModel
from src.task import IntArray, Split


class FromFile(NoiseModel):
    """One label (a class number) for each example of the data set or of its official training part, in its order.

    Classes have the data set's own numbers, from 0, also where dataset.classes keeps and renumbers some of them. `path`: a
    .npy file (relative to where the command is typed), or text with one label a line. Only labels of training and
    validation examples are read. The right labels stay sealed and measure the realised matrix.
    """

    class_conditional = False

    def __init__(self, *, path: str = "labels.npy") -> None:
        self.path = Path(path)

    def transition(self, num_classes: int) -> None:
        return None

    def corrupt(self, split: Split, num_classes: int, rng: np.random.Generator) -> IntArray:
        labels = self._read()
        sizes = dict.fromkeys(size for size in (split.official_train, len(split.inputs)) if size is not None)
        if len(labels) not in sizes:
            needed = " (its official training part) or ".join(map(str, sizes))
            raise UserError(
                f"{self.path}: {len(labels)} labels, but the data set has {needed} examples; one label for each is needed, "
                "in the data set's order"
            )
        observed = labels[split.rows]
        numbers = np.array(split.class_numbers or range(num_classes))
        wrong = np.flatnonzero(~np.isin(observed, numbers))
        if len(wrong):
            possible = f"whole numbers from 0 to {num_classes - 1} are possible"
            if split.class_numbers:
                kept = ", ".join(map(str, numbers))
                possible = (
                    f"dataset.classes keeps {kept}, by the data set's own numbers, which the file's labels must be of"
                )
            raise UserError(f"{self.path}: label {observed[wrong[0]]:.12g} in row {split.rows[wrong[0]]}; {possible}")
        return (observed[:, None] == numbers).argmax(axis=1)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.path.is_file() else ""

    def _read(self) -> npt.NDArray[Any]:
        """The numbers as they stand in the file, (n,)."""
        try:
            if self.path.suffix == ".npy":
                values = np.load(self.path, allow_pickle=False)
            else:
                values = np.array(self.path.read_text().strip().splitlines(), dtype=np.float64)
        except FileNotFoundError:
            raise UserError(f"{self.path}: no such file (noise_model.path)") from None
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{self.path}: not a file of labels ({str(error).splitlines()[0]})") from None
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise UserError(f"{self.path}: one number for each example is needed, not {values.dtype} {values.shape}")
        return values
