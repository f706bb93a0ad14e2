"""Picture sets that come with an official training and test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from src.datasets.base import Thinning, keep_classes, random_split, whole
from src.datasets.inputs import ArrayInputs, Scale
from src.seeding import numpy_stream
from src.task import IntArray, Splits

Pictures = npt.NDArray[np.uint8]


def official_splits(
    train: tuple[Pictures, IntArray],
    test: tuple[Pictures, IntArray],
    names: Sequence[str],
    *,
    classes: Sequence[int] | None,
    thinning: Thinning,
    val_fraction: float,
    seed: int,
    scale: Scale,
    fingerprint: str,
) -> Splits:
    """Validation is taken from the training part, stratified; the test part is only cut to the chosen classes.

    Pictures are (n, channels, height, width).
    """
    inputs = ArrayInputs(np.concatenate([train[0], test[0]]), scale)
    rows, labels, kept = keep_classes(train[1], names, classes)
    learn, val = random_split(labels, [1 - val_fraction], numpy_stream(seed, "data"))
    numbers = None if classes is None else tuple(classes)
    learned = replace(whole(inputs, labels, rows), official_train=len(train[0]), class_numbers=numbers)
    test_rows, test_labels, _ = keep_classes(test[1], names, classes)
    thinned, clean = thinning.apply(learned.select(learn), len(kept), seed)
    return Splits(
        train=thinned,
        val=learned.select(val),
        test=whole(inputs, test_labels, len(train[0]) + test_rows),
        class_names=kept,
        clean=clean,
        fingerprint=fingerprint,
    )


def reshaped(pictures: npt.NDArray[Any], size: int | None, channels: Literal[1, 3] | None) -> Pictures:
    """Bytes (n, c, h, w) scaled to size × size (bilinear, antialiased) and to grey or three equal channels."""
    if size is not None and pictures.shape[2:] != (size, size):
        parts = [
            F.interpolate(part.float(), (size, size), mode="bilinear", antialias=True).round().clamp(0, 255).byte()
            for part in torch.from_numpy(pictures).split(1024)
        ]
        pictures = torch.cat(parts).numpy()
    if channels == 3 and pictures.shape[1] == 1:
        return np.repeat(pictures, 3, axis=1)
    if channels == 1 and pictures.shape[1] == 3:
        grey = pictures.transpose(0, 2, 3, 1) @ np.array([0.299, 0.587, 0.114])  # ITU-R 601 luma
        return np.rint(grey).astype(np.uint8)[:, None]
    return pictures
