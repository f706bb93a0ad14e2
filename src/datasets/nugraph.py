"""Neutrino events as graphs of hits (NuGraph): from its files, or from a toy liquid-argon simulator where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le, Len

from src.component import NonNegativeFloat, NonNegativeInt, OpenFraction, PositiveFloat, PositiveInt
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
from src.datasets.cache import digest, fingerprint
from src.datasets.graph_inputs import GraphInputs
from src.datasets.nugraph_build import EVENT_CLASSES
from src.datasets.nugraph_sample import Sample, collect, find
from src.datasets.nugraph_scaling import Scaling, scaling
from src.datasets.nugraph_simulated import LOWER_BOUND, WITHOUT_END, Simulation
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import BoolArray, IntArray, Split, Splits

NATURAL_PRIOR = (0.23, 0.23, 0.04, 0.50)
"""Of EVENT_CLASSES: what a batch of 32 of the tau-neutrino study holds."""
USUAL, EXTRA = "events.gnn.h5", "extra_tau.gnn.h5"


class NuGraph(Dataset):
    """Graphs of hits in planes, linked by space points; an example is an event, its class the neutrino's.

    Reads data_root/<folder>: graph files (.gnn.h5, or any .h5 that is no .evt.h5) of both generations, else files of event
    tables (.evt.h5), which are built into graphs once. Where there is nothing, events are simulated, written as a graph file
    under cache_root and read back. Number of features, planes and classes are the files'. Keys: run, subrun, event, file.
    """

    domains: ClassVar[int | None] = 1
    ragged: ClassVar[bool] = True

    def __init__(
        self,
        *,
        folder: str = "nugraph",
        split: Literal["file", "random"] = "file",
        norm: Scaling = "auto",
        lower_bound: NonNegativeInt = LOWER_BOUND,
        val_fraction: OpenFraction = 0.15,
        test_fraction: OpenFraction = 0.2,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        events: PositiveInt = 2000,
        hits: Annotated[int, Ge(50), Le(3600)] = 300,
        class_mix: Annotated[list[NonNegativeFloat], Len(4, 4)] = list(NATURAL_PRIOR),  # noqa: B006 (never changed)
        extra_tau: NonNegativeInt = 0,
        simulation_seed: NonNegativeInt = 0,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        if not sum(class_mix):
            raise ValueError("class_mix is zero for all classes")
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.folder, self.split, self.norm, self.lower_bound = folder, split, norm, lower_bound
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.events, self.hits, self.class_mix = events, hits, class_mix
        self.extra_tau, self.simulation_seed = extra_tau, simulation_seed

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        folder = data_root / self.folder
        paths, name = find(folder), ""
        notes: tuple[str, ...] = ()
        if not paths:
            if folder.suffix:
                raise UserError(f"{folder}: no such file or folder")
            paths, name = self._simulated(cache_root)
            notes = (f"no .h5 files in {folder}: simulated events are used ({paths[0].parent})",)
        elif self.extra_tau:
            raise UserError(
                f"dataset.extra_tau={self.extra_tau} adds simulated events, and those of {folder} are not; set it to 0"
            )
        sample = collect(paths, cache_root, as_divided=self.split == "file", lower_bound=self.lower_bound)
        everything = self._everything(sample, paths)
        rows = self._parts(sample, seed)
        train, val, test = (everything.select(part) for part in rows)
        train, clean = self.thinning.apply(_complete(train, sample), len(sample.event_classes), seed)
        train = train.joined(everything.select(self._extra(sample)))
        norm, told = scaling(sample, train.rows, self.norm)
        self.learned = {
            "planes": [*sample.schema.planes], "features": sample.schema.features,
            "norm": {plane: values.tolist() for plane, values in norm.items()},
        }  # fmt: skip
        inputs = GraphInputs(sample.packed, norm)
        train, val, test = (replace(part, inputs=inputs) for part in (train, val, test))
        return Splits(
            train, val, test, sample.event_classes, clean=None if clean is None else replace(clean, inputs=inputs),
            natural_prior=NATURAL_PRIOR if name else None, notes=(*notes, *told, *_remarks(sample)),
            fingerprint=name or fingerprint(paths, folder if folder.is_dir() else folder.parent, cache_root),
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """Graphs or event tables, with or without truth; of event tables only events that become graphs."""
        paths = find(path)
        if not paths:
            raise UserError(f"{path}: no .h5 files here")
        sample = collect(paths, cache_root, as_divided=False, lower_bound=self.lower_bound)
        have = {"planes": [*sample.schema.planes], "features": sample.schema.features}
        for name, found in have.items():
            if found != self.learned[name]:
                raise UserError(f"{path}: its {name} are {found}, those learned from {self.learned[name]}")
        norm = {plane: np.array(values, dtype=np.float32) for plane, values in self.learned["norm"].items()}
        return Unlabelled(GraphInputs(sample.packed, norm), _keys(sample))

    # --- splits ---

    def _everything(self, sample: Sample, paths: list[Path]) -> Split:
        """All graphs as one split. Raises UserError if they have no label."""
        label = sample.packed.label
        if not sample.event_classes or not len(label) or (label < 0).any():
            raise UserError(
                f"{paths[0]}: {(label < 0).sum()} of {len(label)} graphs have no evt/y, and event_classes are "
                f"{', '.join(sample.event_classes) or 'not given'}; the event's class is learned: make the file with an event labeller"
            )
        return replace(whole(GraphInputs(sample.packed), label), keys=_keys(sample))

    def _parts(self, sample: Sample, seed: int) -> list[IntArray]:
        """Rows of training, validation and test, as the files say or drawn; of additional events none."""
        if sample.part is not None:
            return [np.flatnonzero(sample.part == k) for k in range(3)]
        usual = np.flatnonzero(~self._extra(sample))
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        drawn = random_split(sample.packed.label[usual], fractions, numpy_stream(seed, "data"))
        return [usual[part] for part in drawn]

    def _extra(self, sample: Sample) -> BoolArray:
        return (sample.file == EXTRA) & (self.extra_tau > 0)

    def _simulated(self, cache_root: Path) -> tuple[list[Path], str]:
        """(graph files of the simulator with these parameters, drawn on first use; a name for their content)."""
        usual = Simulation(self.events, self.class_mix, self.hits, self.simulation_seed)
        if not self.extra_tau:
            return [usual.file(cache_root, USUAL)], usual.digest
        mix = [float(name == "cc_nutau") for name in EVENT_CLASSES]
        extra = Simulation(self.extra_tau, mix, self.hits, self.simulation_seed, first=WITHOUT_END)
        return [usual.file(cache_root, USUAL), extra.file(cache_root, EXTRA)], digest(usual.digest, extra.digest)


def _keys(sample: Sample) -> dict[str, npt.NDArray[Any]]:
    names = dict(zip(("run", "subrun", "event"), sample.packed.event.T, strict=True))
    return {**names, "file": sample.file}


def _complete(train: Split, sample: Sample) -> Split:
    """Raises UserError if a class is missing in training."""
    empty = np.flatnonzero(np.bincount(train.clean, minlength=len(sample.event_classes)) == 0)
    if len(empty):
        raise UserError(
            f"the training split has no event of class '{sample.event_classes[empty[0]]}'; add files, or simulate more events"
        )
    return train


def _remarks(sample: Sample) -> tuple[str, ...]:
    """What a person should know of the graphs."""
    n, holes = len(sample.packed), sample.packed.holes()
    told = [f"{holes} of {n} graphs have a plane without a hit"] if holes else []
    told += [f"{count} events left out: {why}" for why, count in sample.dropped.items()]
    if sample.part is not None and (left := sum(len(header.names) for header in sample.headers) - n):
        told += [f"{left} graphs that stand in no sample are left out"]
    return tuple(told)
