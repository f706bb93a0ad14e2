"""Micrographs of vertex-like objects in nuclear emulsion: alpha decays and the rest (Yoshida et al. 2021)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Len

from src import simulators
from src.component import NonNegativeInt, OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled, random_split
from src.datasets.cache import completed, digest, file_digest
from src.datasets.emulsion_files import (
    CLASSES,
    Crops,
    all_pictures,
    find,
    is_hdf5,
    read_folder,
    read_hdf5,
    read_pictures,
)
from src.datasets.inputs import ArrayInputs, open_packed
from src.errors import UserError
from src.seeding import numpy_stream
from src.simulators.emulsion_tracks import MEASURED
from src.task import IntArray, Split, Splits

DOMAINS = ("training_sheets", "other_sheets")
NATURAL_PRIOR = (46693 / 46948, 255 / 46948)
"""Of the study's test sheet, which was scanned as it is."""
WORKING_RECALL = 0.788
"""Of the study's former method."""


class Emulsion(Dataset):
    """Colour crops of 87 µm, classes other and alpha; or (`inputs=tracks`) what a reconstruction measured of each.

    Reads data_root/<path>: a folder with {train, valid, test}/{other, alpha}/ pictures and, if they are known, tracks.csv
    (file, multiplicity, shortest, mean_length, longest; µm), or an HDF5 file, <path> or <path>.h5 (images, labels, split; sheet
    and the measured columns if known). Where there is nothing, crops are simulated. Sheets that neither training nor validation
    have seen are domain 1. Keys: file or row, sheet, kind (simulated), the measured columns.
    """

    domains: ClassVar[int | None] = 1  # in training

    def __init__(
        self,
        *,
        path: str = "emulsion",
        inputs: Literal["images", "tracks"] = "images",
        image_size: PositiveInt | None = 64,
        valid: Literal["given", "drawn"] = "given",
        val_fraction: OpenFraction = 0.2,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        crops: Annotated[list[PositiveInt], Len(3, 3)] = [4000, 1000, 12000],  # noqa: B006 (never changed)
        prevalence: Annotated[list[OpenFraction], Len(3, 3)] = [0.05703, 0.05313, 0.00543],  # noqa: B006
        shift: Annotated[float, Ge(0), Le(2)] = 1.0,
        simulation_seed: NonNegativeInt = 0,
    ) -> None:
        few = [int(n * share + 0.5) for n, share in zip(crops, prevalence, strict=True)]
        if not min(few) or any(n == each for n, each in zip(crops, few, strict=True)):
            raise ValueError(
                f"crops={crops}, prevalence={prevalence}: give {few} alpha decays; each part needs both classes"
            )
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.path, self.inputs, self.image_size = path, inputs, image_size
        self.valid, self.val_fraction = valid, val_fraction
        self.crops, self.prevalence, self.shift, self.simulation_seed = crops, prevalence, shift, simulation_seed

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        path = find(data_root / self.path)
        notes: tuple[str, ...] = ()
        natural = NATURAL_PRIOR
        if is_hdf5(path):
            crops = read_hdf5(path, self.image_size, cache_root)
        elif path.is_dir():
            crops = read_folder(path, self.image_size, cache_root)
        elif path.suffix:
            what = "neither a folder nor an HDF5 file" if path.exists() else "no such HDF5 file"
            raise UserError(f"{path}: {what} (.h5, .hdf5)")
        else:
            folder, crops = self._simulated(cache_root)
            natural = (1 - self.prevalence[2], self.prevalence[2])
            notes = (f"no crops in {path}: simulated ones are used ({folder})",)
        everything, part = self._whole(path, crops)
        train, val, test = (everything.select(rows) for rows in self._rows(everything.labels, part, seed))
        test.labelled[:] = True
        train, clean = self.thinning.apply(train, len(CLASSES), seed)
        return Splits(
            train, val, test, CLASSES, DOMAINS, clean,
            natural_prior=natural, working_recall=WORKING_RECALL, fingerprint=crops.fingerprint, notes=notes,
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """An HDF5 file with images (no more is needed), a folder of pictures, or one picture."""
        if is_hdf5(path):
            crops = read_hdf5(path, self.image_size, cache_root, labelled=False)
        else:
            crops = read_pictures(*all_pictures(path), self.image_size, cache_root)
        return Unlabelled(self._inputs(path, crops), {**crops.keys, **crops.tracks})

    def _whole(self, path: Path, crops: Crops) -> tuple[Split, IntArray]:
        """All crops as one split, and the part that each is in."""
        assert crops.labels is not None
        assert crops.part is not None
        n, part = len(crops.labels), crops.part
        sheet = crops.keys.get("sheet", part == 2)  # unknown: the test is taken for another sheet
        domain = (~np.isin(sheet, np.unique(sheet[part < 2]))).astype(np.int64)
        in_order = bool((np.diff(part == 2) >= 0).all())
        return Split(
            self._inputs(path, crops), np.arange(n), crops.labels, crops.labels, domain, np.ones(n), domain == 0,
            {**crops.keys, **crops.tracks}, official_train=int((part < 2).sum()) if in_order else None,
        ), part  # fmt: skip

    def _inputs(self, path: Path, crops: Crops) -> ArrayInputs:
        if self.inputs == "images":
            return ArrayInputs(crops.images, "unit")
        if not crops.tracks:
            raise UserError(
                f"{path}: dataset.inputs=tracks needs measured tracks ({', '.join(MEASURED)}): columns of the HDF5 file, or "
                "tracks.csv in the folder"
            )
        return ArrayInputs(
            np.stack([crops.tracks[name] for name in MEASURED], axis=1).astype(np.float32), names=MEASURED
        )

    def _rows(self, labels: IntArray, part: IntArray, seed: int) -> list[IntArray]:
        """Rows of training, validation and test; which are validation is drawn where the files do not say, or if asked."""
        rng = numpy_stream(seed, "data")
        train, val, test = (np.flatnonzero(part == p) for p in range(3))
        if not len(val):
            learn, taken = random_split(labels[train], [1 - self.val_fraction], rng)
            return [train[learn], train[taken], test]
        if self.valid == "drawn":
            pools = [rng.permutation(np.flatnonzero((part < 2) & (labels == c))) for c in range(len(CLASSES))]
            cuts = [int((labels[train] == c).sum()) for c in range(len(CLASSES))]
            train = np.sort(np.concatenate([pool[:cut] for pool, cut in zip(pools, cuts, strict=True)]))
            val = np.sort(np.concatenate([pool[cut:] for pool, cut in zip(pools, cuts, strict=True)]))
        return [train, val, test]

    def _simulated(self, cache_root: Path) -> tuple[Path, Crops]:
        """Crops of the simulator with these parameters, drawn and packed on first use."""
        from src.simulators import emulsion as simulator

        size = self.image_size or 224
        source = sorted(Path(simulators.__file__).parent.glob("emulsion*.py"))
        parameters = [self.crops, self.prevalence, size, self.shift, self.simulation_seed]
        name = digest(parameters, file_digest(source))

        def draw(folder: Path) -> None:
            with _bar(sum(self.crops)) as progress:
                simulator.simulate(
                    folder, crops=self.crops, prevalence=self.prevalence, size=size, shift=self.shift,
                    seed=self.simulation_seed, progress=progress.update,
                )  # fmt: skip

        folder = completed(cache_root / "simulated" / f"emulsion-{name}", draw)
        with np.load(folder / simulator.COLUMNS, allow_pickle=False) as stored:
            columns = {key: stored[key] for key in stored.files}
        tracks = {key: columns.pop(key) for key in MEASURED}
        labels, part = columns.pop("label"), columns.pop("part")
        keys = {"row": np.arange(len(labels)), **columns}
        return folder, Crops(open_packed(folder / simulator.IMAGES), keys, tracks, labels, part, name)


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc="drawing emulsion crops", unit="crop", disable=not sys.stderr.isatty(), leave=False)
