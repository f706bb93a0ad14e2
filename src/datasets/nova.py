"""NOvA near-detector events from the experiment's HDF5 files, or from the toy simulator where there are none."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Len

from src import simulators
from src.component import NonNegativeFloat, NonNegativeInt, OpenFraction, PositiveFloat, PositiveInt
from src.datasets import caf, packing
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled, fractions_ok, random_split
from src.datasets.cache import completed, digest, digests, file_digest
from src.datasets.inputs import ArrayInputs, Scale
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import IntArray, Split, Splits

log = logging.getLogger(__name__)

CLASSES = ("nc", "nue", "numu")
DOMAINS = ("genie", "gibuu")
NATURAL_PRIOR = (0.3219, 0.0312, 0.6469)


class NOvA(Dataset):
    """Two views (x-z, y-z) of 100 planes × 80 cells; NC, νe CC and νμ CC; GENIE (the source) and GiBUU (the target).

    Reads data_root/<folder>/**/*.h5, the domain told by the file name (`_genie_`, `gibuu`). Simulated files stand under
    cache_root. An event of the target is labelled in training and validation only with `target_labels`.
    """

    domains: ClassVar[int | None] = 2

    def __init__(
        self,
        *,
        folder: str = "nova",
        scale: Scale = "unit",
        weights: Literal["none", "file"] = "none",
        target_labels: bool = False,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        val_fraction: OpenFraction = 0.1,
        test_fraction: OpenFraction = 0.2,
        events: PositiveInt = 8000,
        shift: Annotated[float, Ge(0), Le(1)] = 1.0,
        class_mix: Annotated[list[NonNegativeFloat], Len(3, 3)] = list(NATURAL_PRIOR),  # noqa: B006 (never changed)
        simulation_seed: NonNegativeInt = 0,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        if not sum(class_mix):
            raise ValueError("class_mix is zero for all classes")
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.folder, self.scale, self.weights, self.target_labels = folder, scale, weights, target_labels
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.events, self.shift, self.class_mix, self.simulation_seed = events, shift, class_mix, simulation_seed

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        paths = event_files(data_root / self.folder)
        notes: tuple[str, ...] = ()
        if not paths:
            paths = self._simulated(cache_root)
            notes = (f"no .h5 files in {data_root / self.folder}: simulated events are used ({paths[0].parent})",)
        content = digests(paths, cache_root)
        tables = [labelled_rows(path) for path in paths]
        dropped = sum(table.dropped for table in tables)
        if dropped:
            notes += (f"{dropped} maps left out: no row in {caf.TRUTH}, or neither NC nor νe nor νμ",)
        fingerprint = digest([(content[path], domain_of(path)) for path in paths])
        maps = packing.packed([(t.path, t.rows) for t in tables], digest("labelled", fingerprint), cache_root)
        everything = self._joined(tables, maps)
        train, val, test = self._parts(everything, seed)
        for domain, name in enumerate(DOMAINS):
            if not (everything.domain == domain).any():
                raise UserError(
                    f"{data_root / self.folder}: no {name} events; both domains are needed (file names tell them)"
                )
        empty = np.flatnonzero(np.bincount(train.clean[train.domain == 0], minlength=3) == 0)
        if len(empty):
            raise UserError(
                f"the training split has no {DOMAINS[0]} event of class '{CLASSES[empty[0]]}'; add files or change dataset.class_mix"
            )
        train, clean = self.thinning.apply(train, len(CLASSES), seed)
        return Splits(
            train, val, test, CLASSES, DOMAINS, clean, views=2,
            natural_prior=NATURAL_PRIOR, fingerprint=fingerprint, notes=notes,
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """A file or a folder of files, with or without truth: every pixel map, in file order."""
        paths = event_files(path) if path.is_dir() else [path]
        if not paths:
            raise UserError(f"{path}: no .h5 files in this folder")
        keys = []
        for file in paths:
            with caf.opened(file) as handle:
                keys.append(caf.map_keys(handle))
        content = digests(paths, cache_root)
        rows = [(file, np.arange(len(key["run"]))) for file, key in zip(paths, keys, strict=True)]
        maps = packing.packed(rows, digest("all", [content[file] for file in paths]), cache_root)
        columns = {name: np.concatenate([key[name] for key in keys]).astype(np.int64) for name in caf.KEY}
        of_file = np.repeat([file.name for file in paths], [len(key["run"]) for key in keys])
        return Unlabelled(ArrayInputs(maps, self.scale), {**columns, "file": of_file})

    def _joined(self, tables: list[Labelled], maps: Any) -> Split:
        """One split of all events; those of the target are labelled if the user says so."""
        label, weight, domain = (
            np.concatenate([getattr(t, name) for t in tables]) for name in ("label", "weight", "domain")
        )
        keys = {name: np.concatenate([t.key[name] for t in tables]).astype(np.int64) for name in caf.KEY}
        keys["file"] = np.repeat([t.path.name for t in tables], [len(t.label) for t in tables])
        weight = weight if self.weights == "file" else np.ones(len(label))
        labelled = (domain == 0) | self.target_labels
        return Split(ArrayInputs(maps, self.scale), np.arange(len(label)), label, label, domain, weight, labelled, keys)

    def _parts(self, everything: Split, seed: int) -> tuple[Split, Split, Split]:
        """Random parts, stratified by class and domain; the test part is labelled throughout."""
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        stratum = everything.clean * len(DOMAINS) + everything.domain
        train, val, test = random_split(stratum, fractions, numpy_stream(seed, "data"))
        everything.labelled[test] = True
        return everything.select(train), everything.select(val), everything.select(test)

    def _simulated(self, cache_root: Path) -> list[Path]:
        """Files of the simulator with these parameters, written on first use; a folder is complete or not there."""
        from src.simulators import nova as simulator

        source = sorted(Path(simulators.__file__).parent.glob("nova*.py"))
        parameters = [self.events, self.shift, self.class_mix, self.simulation_seed]

        def make(folder: Path) -> None:
            with _bar(2 * self.events) as progress:
                for domain in DOMAINS:
                    simulator.simulate(
                        folder, domain, self.events, shift=self.shift, class_mix=self.class_mix,
                        seed=self.simulation_seed, progress=progress.update,
                    )  # fmt: skip
            (folder / "parameters.json").write_text(
                json.dumps(dict(zip(("events", "shift", "class_mix", "seed"), parameters, strict=True)))
            )

        folder = cache_root / "simulated" / f"nova-{digest(parameters, file_digest(source))}"
        return event_files(completed(folder, make))


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc="simulating NOvA events", unit="event", disable=not sys.stderr.isatty(), leave=False)


def event_files(folder: Path) -> list[Path]:
    """All .h5 files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*.h5") if not path.name.startswith("."))


@dataclass(frozen=True)
class Labelled:
    """Rows of a file's pixel maps that have a class, and what is known of them."""

    path: Path
    rows: IntArray
    key: caf.Columns
    label: IntArray
    weight: Any
    domain: IntArray
    dropped: int


def domain_of(path: Path) -> int:
    """0 GENIE, 1 GiBUU, by the file name. Raises UserError for any other."""
    name = path.name.lower()
    found = [domain for domain, sign in enumerate(("_genie_", "gibuu")) if sign in name]
    if len(found) != 1:
        raise UserError(f"{path}: the name does not tell the generator; it must contain '_genie_' or 'gibuu'")
    return found[0]


def labelled_rows(path: Path) -> Labelled:
    """Join a file's maps to its truth by key.

    Raises UserError for a missing branch, a wrong map length, a repeated key, or a weight that is not a number.
    """
    domain = domain_of(path)
    with caf.opened(path) as file:
        key = caf.map_keys(file)
        truth = caf.columns(file, caf.TRUTH, (*caf.KEY, "iscc", "pdg", "genweight"))
    caf.join(key, key, f"{path}: {caf.MAPS}")
    at = caf.join(key, truth, f"{path}: {caf.TRUTH}")
    label = np.where(at < 0, -1, classes(truth["iscc"], truth["pdg"])[at])
    weight = truth["genweight"][at].astype(np.float64)
    bad = np.flatnonzero((at >= 0) & ~(np.isfinite(weight) & (weight >= 0)))
    if len(bad):
        row = at[bad[0]]
        raise UserError(
            f"{path}: {caf.TRUTH}/genweight is {weight[bad[0]]} in row {row}; weights are finite and not negative"
        )
    rows = np.flatnonzero(label >= 0)
    kept = {name: values[rows] for name, values in key.items()}
    return Labelled(path, rows, kept, label[rows], weight[rows], np.full(len(rows), domain), len(label) - len(rows))


def classes(iscc: Any, pdg: Any) -> IntArray:
    """0 NC, 1 νe CC, 2 νμ CC; -1 for what is none of them (ντ CC, unknown codes)."""
    flavour = np.abs(pdg.astype(np.int64))
    conditions = [iscc == 0, (iscc == 1) & (flavour == 12), (iscc == 1) & (flavour == 14)]
    return np.select(conditions, [0, 1, 2], -1).astype(np.int64)
