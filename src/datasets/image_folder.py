"""Your own pictures: one folder a class, with or without train, val and test folders above them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import (
    NO_CLEAN_SET,
    CleanSet,
    Dataset,
    Profile,
    Thinning,
    Unlabelled,
    fractions_ok,
    random_split,
    whole,
)
from src.datasets.cache import digest, digests, fingerprint, kept
from src.datasets.inputs import ArrayInputs
from src.datasets.pictures import class_folders, decoded, labelled_files, picture_files
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import IntArray, Splits

PARTS = ("train", "val", "test")


class ImageFolder(Dataset):
    """Pictures under `path`: <class>/*.png, or {train,val,test}/<class>/*.png; scaled to [0, 1].

    Without part folders a stratified random split is made; without val it is taken from train. Decoded once into
    cache_root. Keys: file.
    """

    def __init__(
        self,
        *,
        path: str = "images",
        image_size: PositiveInt | None = 64,
        channels: Literal[1, 3] = 3,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        val_fraction: OpenFraction = 0.15,
        test_fraction: OpenFraction = 0.2,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.path, self.image_size, self.channels = path, image_size, channels
        self.val_fraction, self.test_fraction = val_fraction, test_fraction

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        folder = data_root / self.path
        parts = [part for part in PARTS if (folder / part).is_dir()]
        if parts and not {"train", "test"} <= set(parts):
            raise UserError(
                f"{folder}: has {', '.join(parts)}, but train and test are both needed (val may be missing)"
            )
        names = class_folders(folder / "train" if parts else folder)
        if len(names) < 2:
            raise UserError(f"{folder}: at least two class folders with pictures are needed, found {names or 'none'}")
        for part in parts:
            stray = set(class_folders(folder / part)) ^ set(names)
            if stray:
                raise UserError(f"{folder / part}: class folder '{sorted(stray)[0]}' is not in both train and {part}")
        found = [labelled_files(folder / part, names) for part in parts or [""]]
        files = [path for paths, _ in found for path in paths]
        labels = np.concatenate([each for _, each in found])
        sizes = [len(paths) for paths, _ in found]
        everything = whole(self._inputs(files, cache_root), labels)
        everything = replace(everything, official_train=sum(sizes[:-1]) or None)  # all but the test folder's
        everything.keys["file"] = np.array([str(path.relative_to(folder)) for path in files])
        of_part = np.repeat(np.arange(len(found)), sizes)
        rows = self._rows(labels, of_part, parts, seed)
        train, val, test = (everything.select(part) for part in rows)
        train, clean_set = self.thinning.apply(train, len(names), seed)
        return Splits(
            train, val, test, tuple(names), clean=clean_set, fingerprint=fingerprint(files, folder, cache_root)
        )

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """A folder of pictures, or one picture."""
        files = picture_files(path) if path.is_dir() else [path]
        if not files:
            raise UserError(f"{path}: no pictures in this folder")
        names = [str(file.relative_to(path)) if path.is_dir() else file.name for file in files]
        return Unlabelled(self._inputs(files, cache_root), {"file": np.array(names)})

    def _rows(self, labels: IntArray, of_part: IntArray, parts: list[str], seed: int) -> list[IntArray]:
        rng = numpy_stream(seed, "data")
        if not parts:
            return random_split(labels, [1 - self.val_fraction - self.test_fraction, self.val_fraction], rng)
        rows = {part: np.flatnonzero(of_part == position) for position, part in enumerate(parts)}
        if "val" not in rows:
            learn, val = random_split(labels[rows["train"]], [1 - self.val_fraction], rng)
            rows["train"], rows["val"] = rows["train"][learn], rows["train"][val]
        return [rows[part] for part in PARTS]

    def _inputs(self, files: list[Path], cache_root: Path) -> ArrayInputs:
        content = digests(files, cache_root)
        name = digest([content[path] for path in files], self.image_size, self.channels)
        pictures = decoded(files, self.image_size, self.channels)
        return ArrayInputs(kept(cache_root / "image_folder" / f"{name}.npy", len(files), pictures), scale="unit")
