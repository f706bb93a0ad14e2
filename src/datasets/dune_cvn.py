"""Real DUNE far-detector pixel maps in the public release's own format (Phys. Rev. D 102, 092003)."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

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
from src.datasets.inputs import ArrayInputs, Scale
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import IntArray, Splits

VIEWS, SIDE = 3, 500
FLAVOURS = {"nc": 0, "nue": 12, "numu": 14, "nutau": 16}  # folder: PDG code of its charged-current events
INFO = {"interaction": 0, "energy": 1, "weight": 6, "pdg": 7}  # line of the .info file, from 0


class DuneCVN(Dataset):
    """Views U, V, Z as wires × time cells, from data_root/<folder>/{nc,nue,numu,nutau}/event<N>.{gz,info}.

    Maps are pooled over blocks to `size` cells a side, packed once, and scaled per `scale`. Keys: flavour, event,
    neutrino energy in GeV, interaction code (CVN's: 0-3 νμ, 4-7 νe, 8-11 ντ, 13 NC), event weight.
    """

    def __init__(
        self,
        *,
        folder: str = "dune-cvn",
        size: Literal[100, 125, 250, 500] = 125,
        pooling: Literal["max", "mean"] = "max",
        scale: Scale = "unit",
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
        self.folder, self.size, self.pooling, self.scale = folder, size, pooling, scale
        self.val_fraction, self.test_fraction = val_fraction, test_fraction

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        folder = data_root / self.folder
        files = {flavour: event_files(folder / flavour) for flavour in FLAVOURS}
        for flavour, found in files.items():
            if not found:
                raise UserError(
                    f"{folder / flavour}: no event<N>.gz files; put the public release's folders nc, nue, numu, nutau there"
                )
        paths = [path for found in files.values() for path in found]
        labels = np.repeat(np.arange(len(FLAVOURS)), [len(found) for found in files.values()]).astype(np.int64)
        records = [path.with_suffix(".info") for path in paths]
        keys = self._keys(records, labels)
        inputs = self._inputs(paths, cache_root)
        everything = whole(inputs, labels)
        everything.keys.update(keys)
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        parts = random_split(labels, fractions, numpy_stream(seed, "data"))
        train, val, test = (everything.select(part) for part in parts)
        train, clean = self.thinning.apply(train, len(FLAVOURS), seed)
        return Splits(
            train=train, val=val, test=test, clean=clean,
            class_names=tuple(FLAVOURS), views=VIEWS, fingerprint=fingerprint(paths + records, folder, cache_root),
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """A folder of event<N>.gz, or one such file; .info files are not needed."""
        paths = event_files(path) if path.is_dir() else [path]
        if not paths:
            raise UserError(f"{path}: no event<N>.gz files in this folder")
        return Unlabelled(self._inputs(paths, cache_root), {"event": np.array([_number(p) for p in paths])})

    def _inputs(self, paths: list[Path], cache_root: Path) -> ArrayInputs:
        content = digests(paths, cache_root)
        name = digest([content[path] for path in paths], self.size, self.pooling)
        maps = (pooled(read_map(path), self.size, self.pooling) for path in paths)
        return ArrayInputs(kept(cache_root / "dune_cvn" / f"{name}.npy", len(paths), maps), scale=self.scale)

    def _keys(self, records: list[Path], labels: IntArray) -> dict[str, npt.NDArray[Any]]:
        info = np.array([read_info(path) for path in records])
        expected = np.array(list(FLAVOURS.values()))[labels]
        pdg = np.abs(info[:, list(INFO).index("pdg")])
        wrong = np.flatnonzero((expected != 0) & (pdg != expected))
        if len(wrong):
            at = wrong[0]
            raise UserError(f"{records[at]}: neutrino PDG code {pdg[at]:g} in folder '{records[at].parent.name}'")
        columns = {name: info[:, i] for i, name in enumerate(INFO)}
        flavour = np.array([path.parent.name for path in records])
        return {"flavour": flavour, "event": np.array([_number(path) for path in records]), **columns}


def event_files(folder: Path) -> list[Path]:
    """The event<N>.gz of a folder by number."""
    return sorted((path for path in folder.glob("event*.gz") if path.stem[5:].isdigit()), key=_number)


def _number(path: Path) -> int:
    return int(path.stem[5:]) if path.stem[5:].isdigit() else -1


def read_map(path: Path) -> npt.NDArray[np.uint8]:
    """(3, 500, 500) bytes; the files are zlib streams, whatever their name says."""
    try:
        content = zlib.decompress(path.read_bytes())
    except (OSError, zlib.error) as error:
        raise UserError(f"{path}: not a readable pixel map ({error})") from None
    if len(content) != VIEWS * SIDE * SIDE:
        raise UserError(f"{path}: {len(content)} pixels; a pixel map has {VIEWS} × {SIDE} × {SIDE}")
    return np.frombuffer(content, dtype=np.uint8).reshape(VIEWS, SIDE, SIDE)


def read_info(path: Path) -> list[float]:
    """Interaction code, neutrino energy (GeV), weight and PDG code, in the order of INFO."""
    try:
        lines = [float(line) for line in path.read_text().split()]
        return [lines[position] for position in INFO.values()]
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"{path}: not a readable event record ({error})") from None


def pooled(maps: npt.NDArray[np.uint8], size: int, pooling: str) -> npt.NDArray[np.uint8]:
    """(views, size, size): the largest, or the rounded mean, of each block of cells."""
    block = maps.shape[1] // size
    blocks = maps.reshape(len(maps), size, block, size, block)
    if pooling == "max":
        largest: npt.NDArray[np.uint8] = blocks.max(axis=(2, 4))
        return largest
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)
