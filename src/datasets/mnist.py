"""MNIST and Fashion-MNIST from their official idx files, through torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled
from src.datasets.cache import fingerprint
from src.datasets.inputs import ArrayInputs, Scale
from src.datasets.official import Pictures, official_splits, reshaped
from src.errors import UserError
from src.task import IntArray, Splits

FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


class MNIST(Dataset):
    """70,000 grey pictures of 28 × 28 in data_root/MNIST/raw, scaled per `scale`; ten classes, 60,000 for training."""

    source: ClassVar[str] = "MNIST"
    """Name of torchvision's class, and of its folder in data_root."""
    names: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def __init__(
        self,
        *,
        classes: list[int] | None = None,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        val_fraction: OpenFraction = 0.1,
        image_size: PositiveInt | None = None,
        channels: Literal[1, 3] = 1,
        scale: Scale = "unit",
        download: bool = False,
    ) -> None:
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.classes, self.val_fraction, self.download = classes, val_fraction, download
        self.image_size, self.channels, self.scale = image_size, channels, scale

    @classmethod
    def files(cls, data_root: Path) -> list[Path]:
        """Pictures and labels to learn from, then those to test on."""
        return [data_root / cls.source / "raw" / name for name in FILES]

    @classmethod
    def check(cls, data_root: Path) -> None:
        """Raises UserError if a file is missing."""
        if missing := next((path for path in cls.files(data_root) if not path.is_file()), None):
            raise UserError(f"{missing}: no such file; put the official idx files there, or set dataset.download=true")

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        files = self.files(data_root)
        if not self.download:
            self.check(data_root)
        elif not all(path.is_file() for path in files):
            self._fetch(data_root)
        train, test = self._part(*files[:2]), self._part(*files[2:])
        return official_splits(
            train, test, self.names, classes=self.classes, thinning=self.thinning, val_fraction=self.val_fraction,
            seed=seed, scale=self.scale, fingerprint=fingerprint(files, data_root, cache_root),
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """An idx file of pictures."""
        inputs = ArrayInputs(self._pictures(path), self.scale)
        return Unlabelled(inputs, {"row": np.arange(len(inputs))})

    def _fetch(self, data_root: Path) -> None:
        from torchvision import datasets

        try:
            getattr(datasets, self.source)(data_root, download=True)
        except (OSError, RuntimeError) as error:
            why = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(
                f"{data_root / self.source / 'raw'}: the download failed ({why}); put the files there"
            ) from None

    def _part(self, pictures: Path, labels: Path) -> tuple[Pictures, IntArray]:
        found, y = self._pictures(pictures), idx(labels, 1).astype(np.int64)
        if len(found) != len(y):
            raise UserError(f"{labels}: {len(y)} labels for {len(found)} pictures")
        if y.max(initial=0) >= len(self.names):
            raise UserError(f"{labels}: label {y.max()} in row {y.argmax()}; 0 to {len(self.names) - 1} are possible")
        return found, y

    def _pictures(self, path: Path) -> Pictures:
        return reshaped(idx(path, 3)[:, None], self.image_size, self.channels)


def idx(path: Path, ndim: int) -> npt.NDArray[np.uint8]:
    """The bytes of an idx file. Raises UserError if it is broken or does not have `ndim` dimensions."""
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        values: npt.NDArray[np.uint8] = read_sn3_pascalvincent_tensor(str(path)).numpy()
    except Exception as error:  # a broken file may raise anything
        raise UserError(f"{path}: not a readable idx file ({str(error) or type(error).__name__})") from None
    if values.dtype != np.uint8 or values.ndim != ndim or not values.size:
        raise UserError(f"{path}: {ndim} dimensions of bytes are needed, not {values.dtype} {values.shape}")
    return values
