"""Handwritten digits that come with scikit-learn: 1,797 real 8 × 8 images, always there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.arrays import unlabelled
from src.datasets.base import (
    NO_CLEAN_SET,
    CleanSet,
    Dataset,
    Profile,
    Thinning,
    Unlabelled,
    fractions_ok,
    keep_classes,
    random_split,
    whole,
)
from src.datasets.inputs import ArrayInputs
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import Splits


class Digits(Dataset):
    """Grey levels 0..16 of 8 × 8 cells, scaled to [0, 1]; the ten digits."""

    def __init__(
        self,
        *,
        classes: list[int] | None = None,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        val_fraction: OpenFraction = 0.15,
        test_fraction: OpenFraction = 0.25,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.classes, self.val_fraction, self.test_fraction = classes, val_fraction, test_fraction

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        rows, labels, names = keep_classes(labels.astype(np.int64), [str(d) for d in range(10)], self.classes)
        inputs = ArrayInputs((images[rows].reshape(-1, 1, 8, 8) / 16).astype(np.float32))
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        numbers = None if self.classes is None else tuple(self.classes)
        everything = replace(whole(inputs, labels), class_numbers=numbers)
        parts = random_split(labels, fractions, numpy_stream(seed, "data"))
        train, val, test = (everything.select(part) for part in parts)
        train, clean = self.thinning.apply(train, len(names), seed)
        return Splits(train, val, test, names, clean=clean, fingerprint="scikit-learn digits")

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """An npz or HDF5 file with X (n, 8, 8), grey levels 0..16."""
        pictures = unlabelled(path)
        if pictures.shape[1:] != (1, 8, 8):
            raise UserError(f"{path}: X must have the shape (n, 8, 8)")
        return Unlabelled(ArrayInputs(pictures.astype(np.float32) / 16), {"row": np.arange(len(pictures))})
