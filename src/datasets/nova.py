"""NOvA near-detector events from the experiment's HDF5 files, or from the toy simulator where there are none."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Len

from src import simulators
from src.component import NonNegativeFloat, NonNegativeInt, OpenFraction, PositiveFloat, PositiveInt
from src.datasets import caf, event_list, nova_index, nova_selection, packing
from src.datasets.balancing import By, balanced
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled, fractions_ok, random_split
from src.datasets.cache import completed, digest, digests, file_digest
from src.datasets.event_weights import Weighting, weighted
from src.datasets.inputs import ArrayInputs, Scale
from src.datasets.nova_files import classes as class_of
from src.datasets.nova_files import event_files, origin, truth, truth_file
from src.datasets.nova_index import CLASSES
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import HIDDEN, BoolArray, IntArray, Split, Splits

log = logging.getLogger(__name__)

NATURAL_PRIOR = (0.3219, 0.0312, 0.6469)
PARTS = 3  # training, validation, test


class NOvA(Dataset):
    """Two views (x-z, y-z) of 100 planes × 80 cells; NC, νe CC and νμ CC; by default GENIE (the source) and GiBUU (the target).

    Reads data_root/<folder>/**/*.h5, the origin told by the file name (`_genie_`, `gibuu`, `_data_` for the detector's own).
    Simulated files stand under cache_root. An event of the target is labelled in training and validation only with
    `target_labels`; the detector's events never are: their truth, where it is known, lies in a file of its own that only
    the last evaluation opens.
    """

    domains: ClassVar[int | None] = 2

    def __init__(
        self,
        *,
        folder: str = "nova",
        source: Literal["genie", "gibuu", "both"] = "genie",
        target: Literal["genie", "gibuu", "detector", "none"] = "gibuu",
        scale: Scale = "unit",
        selection: dict[str, Any] | None = None,
        event_list: str | None = None,
        weights: Literal["none", "file", "event_list"] = "none",
        weighting: Weighting = "metrics",
        balance: By = "none",
        target_labels: bool = False,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        split_by: Literal["event", "file"] = "event",
        val_fraction: OpenFraction = 0.1,
        test_fraction: OpenFraction = 0.2,
        events: PositiveInt = 8000,
        file_events: PositiveInt = 4000,
        shift: Annotated[float, Ge(0), Le(1)] = 1.0,
        class_mix: Annotated[list[NonNegativeFloat], Len(3, 3)] = list(NATURAL_PRIOR),  # noqa: B006 (never changed)
        simulation_seed: NonNegativeInt = 0,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        if not sum(class_mix):
            raise ValueError("class_mix is zero for all classes")
        if target == source or (source == "both" and target in {"genie", "gibuu"}):
            raise ValueError(f"source={source} and target={target}: they must not share events")
        if target in {"detector", "none"} and target_labels:
            raise ValueError(f"target_labels=true: target={target} has no labels")
        if target == "none" and balance in {"domain", "joint", "study"}:
            raise ValueError(f"balance={balance} is of two domains, and target=none leaves one: use balance=class")
        if weighting != "metrics" and weights == "none":
            raise ValueError(f"weighting={weighting} needs weights: set weights=file or weights=event_list")
        if weights == "event_list" and event_list is None:
            raise ValueError("weights=event_list: give the list, event_list=<file>")
        if balance == "study" and (source, target, target_labels) != ("genie", "gibuu", True):
            raise ValueError("balance=study is a mix of GENIE's and GiBUU's labelled events: set target_labels=true")
        nova_selection.check(selection or {})
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.folder, self.source, self.target, self.scale = folder, source, target, scale
        self.domains = len(self.domain_names)  # type: ignore[misc]
        self.selection, self.event_list = selection or {}, event_list
        self.weights, self.weighting = weights, weighting
        self.balance, self.target_labels, self.split_by = balance, target_labels, split_by
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.events, self.file_events, self.shift = events, file_events, shift
        self.class_mix, self.simulation_seed = class_mix, simulation_seed

    @property
    def origins(self) -> tuple[str, ...]:
        """Where events are wanted from: the source's, then the target's."""
        source = ("genie", "gibuu") if self.source == "both" else (self.source,)
        return source if self.target == "none" else (*source, self.target)

    @property
    def domain_names(self) -> tuple[str, ...]:
        source = "genie+gibuu" if self.source == "both" else self.source
        return (source,) if self.target == "none" else (source, self.target)

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        paths, notes = self.files(data_root, cache_root)
        content = digests(paths, cache_root)
        fingerprint = nova_index.identity(paths, content, self.selection, self.target)
        table, told = nova_index.selected(paths, self.selection, self.target, fingerprint, cache_root)
        maps = packing.packed(nova_index.rows_of(table, paths), digest("selected", fingerprint), cache_root)
        everything = self._joined(table, maps)
        notes += told
        if self.event_list is not None:
            listed = self._list_file(paths)
            fingerprint = digest(fingerprint, digests([listed], cache_root)[listed])
            everything, note = self._as_listed(everything, listed, paths)
            notes += (note,)
        weighs = _of(everything, paths, "gibuu") & (self.weights != "none")
        everything, note = weighted(everything, weighs, self.weighting, numpy_stream(seed, "accept"))
        notes += (note,) if note else ()
        train, val, test = self._parts(everything, paths, seed)
        self._complete(train)
        train, clean = self.thinning.apply(train, len(CLASSES), seed)
        open_truth = None
        if sealed := [truth_file(path) for path in paths if origin(path) == "detector"]:
            if all(path.exists() for path in sealed):
                open_truth = partial(_opened, paths)
                fingerprint = digest(fingerprint, list(digests(sealed, cache_root).values()))
            else:
                notes += (
                    f"no truth of the detector's events in {sealed[0].parent}: the test is of {self.source}'s only",
                )
        return Splits(
            train, val, test, CLASSES, self.domain_names, clean, views=2, natural_prior=NATURAL_PRIOR,
            fingerprint=fingerprint, notes=notes, open_truth=open_truth,
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """A file or a folder of files, with or without truth: every pixel map, in file order."""
        paths = event_files(path) if path.is_dir() else [path]
        if not paths:
            raise UserError(f"{path}: no .h5 files in this folder")
        keys = [_keys([file]) for file in paths]
        content = digests(paths, cache_root)
        rows = [(file, np.arange(len(key["run"]))) for file, key in zip(paths, keys, strict=True)]
        maps = packing.packed(rows, digest("all", [content[file] for file in paths]), cache_root)
        columns = {name: np.concatenate([key[name] for key in keys]) for name in caf.KEY}
        of_file = np.repeat([file.name for file in paths], [len(key["run"]) for key in keys])
        return Unlabelled(ArrayInputs(maps, self.scale), {**columns, "file": of_file})

    # --- files ---

    def files(self, data_root: Path, cache_root: Path) -> tuple[list[Path], tuple[str, ...]]:
        """(the event files of source and target, what a person should know of them); simulated if there are none.

        Raises UserError if there are files of one of the two only.
        """
        there = event_files(data_root / self.folder)
        if there:
            paths = [path for path in there if origin(path) in self.origins]
            if missing := set(self.origins) - {origin(path) for path in paths}:
                raise UserError(
                    f"{data_root / self.folder}: no {missing.pop()} events; source={self.source} and target={self.target} need "
                    "them (file names tell them; target=none learns without a second domain)"
                )
            twice = [name for name, count in Counter(path.name for path in paths).items() if count > 1]
            if twice:
                raise UserError(
                    f"{data_root / self.folder}: several files are called {twice[0]}; names tell files apart: rename one"
                )
            return paths, ()
        folders = [self._simulated(who, cache_root) for who in self.origins]
        notes = f"no .h5 files in {data_root / self.folder}: simulated events are used ({folders[0].parent})"
        return [path for folder in folders for path in event_files(folder)], (notes,)

    def _simulated(self, who: str, cache_root: Path) -> Path:
        """Files of the simulator with these parameters, written on first use; a folder is complete or not there."""
        from src.simulators import nova as simulator

        mix = list(NATURAL_PRIOR) if who == "detector" else self.class_mix
        parameters = {
            "domain": who, "events": self.events, "file_events": self.file_events, "seed": self.simulation_seed,
            "shift": None if who == "genie" else self.shift, "class_mix": mix,
        }  # fmt: skip

        def make(folder: Path) -> None:
            with _bar(self.events, who) as progress:
                simulator.simulate(
                    folder, who, self.events, shift=self.shift, class_mix=mix,
                    seed=self.simulation_seed, file_events=self.file_events, progress=progress.update,
                )  # fmt: skip
            (folder / "parameters.json").write_text(json.dumps(parameters))

        code = file_digest(sorted(Path(simulators.__file__).parent.glob("nova*.py")))
        return completed(cache_root / "simulated" / f"nova-{who}-{digest(parameters, code)}", make)

    # --- splits ---

    def _joined(self, table: caf.Columns, maps: Any) -> Split:
        """One split of all events; those of the target are labelled if the user says so."""
        n, domain = len(table["label"]), table["domain"].astype(np.int64)
        keys = {name: table[name].astype(np.int64) for name in caf.KEY} | {"file": table["file"]}
        weight = table["weight"] if self.weights == "file" else np.ones(n)
        labelled = (domain == 0) | self.target_labels
        label = table["label"].astype(np.int64)
        return Split(ArrayInputs(maps, self.scale), np.arange(n), label, label, domain, weight, labelled, keys)

    def _list_file(self, paths: Sequence[Path]) -> Path:
        """The event list: a path, or the name of a file beside one of GiBUU's."""
        beside = [path.parent for path in paths if origin(path) == "gibuu"]
        if not beside:
            raise UserError(f"dataset.event_list={self.event_list}: lists GiBUU's events, and there are none here")
        there = [folder / str(self.event_list) for folder in dict.fromkeys(beside)]
        for path in there:
            if path.is_file():
                return path
        raise UserError(f"dataset.event_list={self.event_list}: no such file in {beside[0]}")

    def _as_listed(self, everything: Split, path: Path, paths: Sequence[Path]) -> tuple[Split, str]:
        """GiBUU's events that the list has, with the list's weights if these are used; and how list and selection differ."""
        theirs = np.flatnonzero(_of(everything, paths, "gibuu"))
        every = _keys([p for p in paths if origin(p) == "gibuu"])
        at = caf.join({name: everything.keys[name][theirs] for name in caf.KEY}, every, str(path))
        selected = np.zeros(len(every["run"]), dtype=bool)
        selected[at] = True
        listed = event_list.read(path)
        row, note = event_list.matched(every, listed, selected, str(path))
        found = row[at]
        keep = np.ones(len(everything), dtype=bool)
        keep[theirs] = found >= 0
        weight = everything.weight.copy()
        if self.weights == "event_list":
            weight[theirs] = np.append(listed["weight"], 1.0)[found]
        return replace(everything, weight=weight).select(keep), note

    def _parts(self, everything: Split, paths: Sequence[Path], seed: int) -> tuple[Split, Split, Split]:
        """Random parts, balanced; the test part is labelled throughout, but for what nobody has opened yet."""
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        rng = numpy_stream(seed, "data")
        who = np.sum([k * _of(everything, paths, name) for k, name in enumerate(self.origins)], axis=0)
        if self.split_by == "file":
            rows = _by_file(everything, who, fractions, rng)
        else:
            rows = random_split(everything.clean * len(self.origins) + who, fractions, rng)
        everything.labelled[rows[2]] = everything.clean[rows[2]] != HIDDEN
        return tuple(  # type: ignore[return-value]
            balanced(everything.select(part), self.balance, len(CLASSES), numpy_stream(seed, f"balance/{k}"))
            for k, part in enumerate(rows)
        )

    def _complete(self, train: Split) -> None:
        """Raises UserError if a class of the source is missing in training."""
        empty = np.flatnonzero(np.bincount(train.clean[train.domain == 0], minlength=3) == 0)
        if len(empty):
            name = self.domain_names[0]
            raise UserError(
                f"the training split has no {name} event of class '{CLASSES[empty[0]]}'; add files or change dataset.class_mix"
            )


def _bar(total: int, who: str) -> Any:
    from tqdm import tqdm

    shown = sys.stderr.isatty()
    return tqdm(total=total, desc=f"simulating {who} events", unit="event", disable=not shown, leave=False)


def _keys(paths: Sequence[Path]) -> caf.Columns:
    """Index columns of all pixel maps of the files, in their order."""
    found = []
    for path in paths:
        with caf.opened(path) as file:
            found.append(caf.map_keys(file))
    return {name: column.astype(np.int64) for name, column in nova_index.concatenated(found).items()}


def _of(split: Split, paths: Sequence[Path], who: str) -> BoolArray:
    """Which events are from somewhere, (n,)."""
    import pandas as pd

    number, names = pd.factorize(split.keys["file"])
    theirs = {path.name for path in paths if origin(path) == who}
    return np.array([name in theirs for name in names], dtype=bool)[number]


def _by_file(everything: Split, who: IntArray, fractions: Sequence[float], rng: np.random.Generator) -> list[IntArray]:
    """Rows of the parts, such that no file is in two of them."""
    _, first, of = np.unique(everything.keys["file"], return_index=True, return_inverse=True)
    few = np.bincount(who[first]).min()
    if few < PARTS:
        raise UserError(
            f"dataset.split_by=file needs at least {PARTS} files of a generator, and there are {few}; use split_by=event"
        )
    return [np.flatnonzero(np.isin(of, files)) for files in random_split(who[first], fractions, rng)]


def _opened(paths: Sequence[Path], test: Split) -> Split:
    """The test split with the detector's truth, from the files that hold it."""
    sealed = np.flatnonzero(test.clean == HIDDEN)
    if not len(sealed):
        return test
    found = truth(paths, {name: column[sealed] for name, column in test.keys.items()}, ("iscc", "pdg"))
    clean = test.clean.copy()
    clean[sealed] = class_of(found["iscc"], found["pdg"])
    return replace(test, clean=clean, labels=clean, labelled=clean != HIDDEN)
