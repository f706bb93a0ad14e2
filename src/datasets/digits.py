"""Handwritten digits that come with scikit-learn: 1,797 real 8 × 8 images, always there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import Dataset, keep_classes, random_split, thin
from src.datasets.inputs import ArrayInputs
from src.seeding import numpy_stream
from src.task import Split, Splits


class Digits(Dataset):
    """Grey levels 0..16 of 8 × 8 cells, scaled to [0, 1]; the ten digits."""

    def __init__(
        self,
        *,
        classes: list[int] | None = None,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        val_fraction: OpenFraction = 0.15,
        test_fraction: OpenFraction = 0.25,
    ) -> None:
        self.classes, self.train_size, self.class_counts = classes, train_size, class_counts
        self.imbalance_ratio, self.val_fraction, self.test_fraction = imbalance_ratio, val_fraction, test_fraction

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        rows, labels, names = keep_classes(labels.astype(np.int64), [str(d) for d in range(10)], self.classes)
        inputs = ArrayInputs((images[rows].reshape(-1, 1, 8, 8) / 16).astype(np.float32))
        n = len(labels)
        whole = Split(inputs, np.arange(n), labels, labels, np.zeros(n, np.int64), np.ones(n), np.ones(n, bool))
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        train, val, test = (whole.select(part) for part in random_split(labels, fractions, numpy_stream(seed, "data")))
        train = thin(train, len(names), seed, self.train_size, self.class_counts, self.imbalance_ratio)
        return Splits(train, val, test, names, fingerprint="scikit-learn digits")
