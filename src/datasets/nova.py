"""NOvA near-detector events from the experiment's HDF5 files, or from the toy simulator where there are none."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Len

from src import simulators
from src.component import NonNegativeFloat, NonNegativeInt, OpenFraction, PositiveFloat, PositiveInt
from src.datasets import caf, event_list, nova_selection, packing
from src.datasets.balancing import By, balanced
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled, fractions_ok, random_split
from src.datasets.cache import completed, digest, digests, file_digest
from src.datasets.event_weights import Weighting, weighted
from src.datasets.inputs import ArrayInputs, Scale
from src.datasets.nova_files import classes as class_of
from src.datasets.nova_files import event_files, labelled_rows, origin, truth, truth_file
from src.datasets.selected_index import read_index, write_index
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import HIDDEN, IntArray, Split, Splits

log = logging.getLogger(__name__)

CLASSES = ("nc", "nue", "numu")
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
        target: Literal["genie", "gibuu", "detector"] = "gibuu",
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
        if target == source or (source == "both" and target != "detector"):
            raise ValueError(f"source={source} and target={target}: they must not share events")
        if target == "detector" and target_labels:
            raise ValueError("target_labels=true: the detector's events have no labels")
        if weighting != "metrics" and weights == "none":
            raise ValueError(f"weighting={weighting} needs weights: set weights=file or weights=event_list")
        if weights == "event_list" and event_list is None:
            raise ValueError("weights=event_list: give the list, event_list=<file>")
        if balance == "study" and (source, target, target_labels) != ("genie", "gibuu", True):
            raise ValueError("balance=study is a mix of GENIE's and GiBUU's labelled events: set target_labels=true")
        nova_selection.check(selection or {})
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.folder, self.source, self.target, self.scale = folder, source, target, scale
        self.selection, self.event_list = selection or {}, event_list
        self.weights, self.weighting = weights, weighting
        self.balance, self.target_labels, self.split_by = balance, target_labels, split_by
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.events, self.file_events, self.shift = events, file_events, shift
        self.class_mix, self.simulation_seed = class_mix, simulation_seed

    @property
    def origins(self) -> tuple[tuple[str, ...], str]:
        """(the source's, the target's)."""
        return ("genie", "gibuu") if self.source == "both" else (self.source,), self.target

    @property
    def domain_names(self) -> tuple[str, str]:
        source, target = self.origins
        return "+".join(source), target

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        paths, notes = self.files(data_root, cache_root)
        content = digests(paths, cache_root)
        identity = digest([(content[path], origin(path)) for path in paths], self.selection)
        table, more = self._selected(paths, identity, cache_root)
        maps = packing.packed(_rows(table, paths), digest("selected", identity), cache_root)
        everything = self._joined(table, maps)
        notes += more
        fingerprint = identity
        if self.event_list is not None:
            listed = self._list_file(paths)
            fingerprint = digest(identity, digests([listed], cache_root)[listed])
            everything, note = self._as_listed(everything, listed, paths)
            notes += (note,)
        everything, note = weighted(everything, self.weighting, numpy_stream(seed, "accept"))
        notes += (note,) if note else ()
        train, val, test = self._parts(everything, seed)
        self._complete(train, data_root)
        train, clean = self.thinning.apply(train, len(CLASSES), seed)
        open_truth = None
        if self.target == "detector":
            sealed = [truth_file(path) for path in paths if origin(path) == "detector"]
            if all(path.exists() for path in sealed):
                open_truth = partial(_opened, paths)
                fingerprint = digest(fingerprint, list(digests(sealed, cache_root).values()))
            else:
                notes += (
                    f"no truth of the detector's events in {paths[0].parent}: the test is of {self.source}'s only",
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
        source, target = self.origins
        wanted = (*source, target)
        there = event_files(data_root / self.folder)
        if there:
            paths = [path for path in there if origin(path) in wanted]
            if missing := set(wanted) - {origin(path) for path in paths}:
                raise UserError(
                    f"{data_root / self.folder}: no {missing.pop()} events; both domains are needed (file names tell them)"
                )
            names = [path.name for path in paths]
            if twice := {name for name in names if names.count(name) > 1}:
                raise UserError(
                    f"{data_root / self.folder}: several files are called {min(twice)}; names tell files apart: rename one"
                )
            return paths, ()
        folders = [self._simulated(who, cache_root) for who in wanted]
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

    def _selected(self, paths: Sequence[Path], identity: str, cache_root: Path) -> tuple[caf.Columns, tuple[str, ...]]:
        """(the index of the events that pass the selection, notes); made once, and kept under cache_root/selected."""
        path, flow = (cache_root / "selected" / f"{identity}{suffix}" for suffix in (".csv", ".txt"))
        if not path.exists():
            parts: list[caf.Columns] = []
            tables: dict[str, list[tuple[nova_selection.Passed, IntArray]]] = {}
            dropped = 0
            for file in paths:
                found = labelled_rows(file)
                dropped += found.dropped
                if self.selection:
                    with caf.opened(file) as handle:
                        passed = nova_selection.select(handle, found.key, self.selection)
                    tables.setdefault(origin(file), []).append((passed, found.label))
                    found = found.select(passed.events)
                parts.append(_index_of(found, self._domain(file)))
            text = nova_selection.flow_text(tables, CLASSES) if tables else ""
            left_out = (
                f"{dropped} maps left out: no row in {caf.TRUTH}, or neither NC nor νe nor νμ\n" if dropped else ""
            )
            flow.parent.mkdir(parents=True, exist_ok=True)
            flow.write_text(left_out + text)
            write_index(path, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        told = flow.read_text().rstrip("\n") if flow.exists() else ""
        notes = (told, f"index of the selected events: {path}") if self.selection else (told,)
        return read_index(path), tuple(note for note in notes if note)

    def _domain(self, path: Path) -> int:
        return int(origin(path) == self.target)

    # --- splits ---

    def _joined(self, table: caf.Columns, maps: Any) -> Split:
        """One split of all events; those of the target are labelled if the user says so."""
        n, domain = len(table["label"]), table["domain"].astype(np.int64)
        keys = {name: table[name].astype(np.int64) for name in caf.KEY} | {"file": table["file"]}
        weight = table["weight"].astype(np.float64) if self.weights == "file" else np.ones(n)
        labelled = (domain == 0) | self.target_labels
        label = table["label"].astype(np.int64)
        return Split(ArrayInputs(maps, self.scale), np.arange(n), label, label, domain, weight, labelled, keys)

    def _list_file(self, paths: Sequence[Path]) -> Path:
        """The event list: a path, or the name of a file beside GiBUU's."""
        beside = [path.parent for path in paths if origin(path) == "gibuu"]
        if not beside:
            raise UserError(f"dataset.event_list={self.event_list}: lists GiBUU's events, and there are none here")
        path = beside[0] / str(self.event_list)
        if not path.is_file():
            raise UserError(f"dataset.event_list={self.event_list}: no such file in {beside[0]}")
        return path

    def _as_listed(self, everything: Split, path: Path, paths: Sequence[Path]) -> tuple[Split, str]:
        """GiBUU's events that the list has, with the list's weights if these are used; and how list and selection differ."""
        theirs = np.flatnonzero(np.isin(everything.keys["file"], [p.name for p in paths if origin(p) == "gibuu"]))
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

    def _parts(self, everything: Split, seed: int) -> tuple[Split, Split, Split]:
        """Random parts, balanced; the test part is labelled throughout, but for what nobody has opened yet."""
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        rng = numpy_stream(seed, "data")
        if self.split_by == "file":
            rows = _by_file(everything, fractions, rng)
        else:
            stratum = everything.clean * 2 + everything.domain
            rows = random_split(stratum, fractions, rng)
        everything.labelled[rows[2]] = everything.clean[rows[2]] != HIDDEN
        return tuple(  # type: ignore[return-value]
            balanced(everything.select(part), self.balance, len(CLASSES), numpy_stream(seed, f"balance/{k}"))
            for k, part in enumerate(rows)
        )

    def _complete(self, train: Split, data_root: Path) -> None:
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
    return {name: np.concatenate([one[name] for one in found]).astype(np.int64) for name in caf.KEY}


def _index_of(found: Any, domain: int) -> caf.Columns:
    """Columns of the index of selected events."""
    n = len(found.label)
    return {
        **found.key, "weight": found.weight, "train_index": found.rows, "label": found.label,
        "domain": np.full(n, domain), "file": np.repeat(found.path.name, n),
    }  # fmt: skip


def _rows(table: caf.Columns, paths: Sequence[Path]) -> list[tuple[Path, IntArray]]:
    """(file, rows of its maps) in the index's order, which is that of the paths."""
    return [(path, table["train_index"][table["file"] == path.name].astype(np.int64)) for path in paths]


def _by_file(everything: Split, fractions: Sequence[float], rng: np.random.Generator) -> list[IntArray]:
    """Rows of the parts, such that no file is in two of them."""
    _, first, of = np.unique(everything.keys["file"], return_index=True, return_inverse=True)
    domain = everything.domain[first]
    few = np.bincount(domain, minlength=2).min()
    if few < PARTS:
        raise UserError(
            f"dataset.split_by=file needs at least {PARTS} files of a domain, and there are {few}; use split_by=event"
        )
    return [np.flatnonzero(np.isin(of, files)) for files in random_split(domain, fractions, rng)]


def _opened(paths: Sequence[Path], test: Split) -> Split:
    """The test split with the detector's truth, from the files that hold it."""
    sealed = np.flatnonzero(test.clean == HIDDEN)
    if not len(sealed):
        return test
    found = truth(paths, {name: column[sealed] for name, column in test.keys.items()}, ("iscc", "pdg"))
    clean = test.clean.copy()
    clean[sealed] = class_of(found["iscc"], found["pdg"])
    return replace(test, clean=clean, labels=clean, labelled=clean != HIDDEN)
