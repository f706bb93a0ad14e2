"""MNIST and Fashion-MNIST from their official idx files, through torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import Dataset, Thinning, Unlabelled
from src.datasets.cache import file_digest
from src.datasets.inputs import ArrayInputs
from src.datasets.official import Pictures, official_splits, reshaped
from src.errors import UserError
from src.task import IntArray, Splits

FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


class MNIST(Dataset):
    """70,000 grey pictures of 28 × 28 in data_root/MNIST/raw, scaled to [0, 1]; ten classes, 60,000 for training."""

    source: ClassVar[str] = "MNIST"
    """Name of torchvision's class, and of its folder in data_root."""

    def __init__(
        self,
        *,
        classes: list[int] | None = None,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        val_fraction: OpenFraction = 0.1,
        image_size: PositiveInt | None = None,
        channels: Literal[1, 3] = 1,
        download: bool = False,
    ) -> None:
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio)
        self.classes, self.val_fraction, self.download = classes, val_fraction, download
        self.image_size, self.channels = image_size, channels

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        raw = data_root / self.source / "raw"
        missing = [name for name in FILES if not (raw / name).is_file()]
        if missing and not self.download:
            raise UserError(
                f"{raw / missing[0]}: no such file; put the official idx files there, or set dataset.download=true"
            )
        train, names = self._part(data_root, train=True)
        test, _ = self._part(data_root, train=False)
        fingerprint = file_digest(raw / name for name in FILES)
        return official_splits(
            train, test, names, classes=self.classes, thinning=self.thinning, val_fraction=self.val_fraction,
            seed=seed, fingerprint=fingerprint,
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """An idx file of pictures."""
        from torchvision.datasets.mnist import read_image_file

        try:
            pictures = read_image_file(str(path)).numpy()
        except (OSError, ValueError, RuntimeError, AssertionError, TypeError) as error:
            raise UserError(f"{path}: not an idx file of pictures ({error})") from None
        inputs = ArrayInputs(reshaped(pictures[:, None], self.image_size, self.channels), scale="unit")
        return Unlabelled(inputs, {"row": np.arange(len(inputs))})

    def _part(self, data_root: Path, train: bool) -> tuple[tuple[Pictures, IntArray], list[str]]:
        from torchvision import datasets

        raw = data_root / self.source / "raw"
        cls: Any = getattr(datasets, self.source)
        try:
            found = cls(data_root, train=train, download=self.download)
            pictures, labels = found.data.numpy(), found.targets.numpy().astype(np.int64)
        except (OSError, ValueError, RuntimeError, AssertionError, TypeError) as error:
            kind = "training" if train else "test"
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"{raw}: the {kind} files cannot be read or fetched ({why}); replace them by the official ones"
            ) from None
        if len(pictures) != len(labels) or labels.min() < 0 or labels.max() > 9:
            raise UserError(f"{raw}: {len(pictures)} pictures, but {len(labels)} labels, or labels outside 0..9")
        return (reshaped(pictures[:, None], self.image_size, self.channels), labels), [_plain(c) for c in found.classes]


def _plain(name: str) -> str:
    return name.split(" - ")[0].replace("/", "-")  # "0 - zero", "T-shirt/top"
