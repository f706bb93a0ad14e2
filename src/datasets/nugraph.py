"""Neutrino events as graphs of hits (NuGraph): from its files, or from a toy liquid-argon simulator where there are none."""

from __future__ import annotations

import logging
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
from src.datasets.graph_inputs import GraphInputs
from src.datasets.nugraph_sample import Sample, collect, find
from src.datasets.nugraph_scaling import Scaling, scaling
from src.datasets.nugraph_simulated import LOWER_BOUND, Simulation
from src.datasets.nugraph_sources import EXTRA, Sources
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import HIDDEN, BoolArray, IntArray, Split, Splits, class_counts

log = logging.getLogger(__name__)
NATURAL_PRIOR = (0.23, 0.23, 0.04, 0.50)
"""Of EVENT_CLASSES: what a batch of 32 of the tau-neutrino study holds."""


class NuGraph(Dataset):
    """Graphs of hits in planes, linked by space points; an example is an event, its class the neutrino's.

    Reads data_root/<folder>: graph files (.gnn.h5, or any .h5 that is no .evt.h5) of both generations, else files of event
    tables (.evt.h5), which are built into graphs once. Where there is nothing, events are simulated, written as a graph file
    under cache_root and read back. Number of features, planes and classes are the files'. Keys: run, subrun, event, file.

    A second domain, the target, are events that are simulated in another detector (target=shifted), or files of the same
    kind (target_folder), which may lack labels. Its events are labelled in training and validation only with
    `target_labels`; features are scaled by the source's.
    """

    domains: ClassVar[int | None] = None
    ragged: ClassVar[bool] = True

    def __init__(
        self,
        *,
        folder: str = "nugraph",
        target: Literal["none", "shifted"] = "none",
        target_folder: str | None = None,
        target_labels: bool = False,
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
        shift: NonNegativeFloat = 1.0,
        simulation_seed: NonNegativeInt = 0,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        if not sum(class_mix):
            raise ValueError("class_mix is zero for all classes")
        if target == "shifted" and target_folder is not None:
            raise ValueError("target=shifted and target_folder are both set: give one of them")
        if target_labels and target == "none" and target_folder is None:
            raise ValueError("target_labels=true: there is no target; set target=shifted or target_folder")
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.target, self.target_folder, self.target_labels = target, target_folder, target_labels
        self.domains = len(self.domain_names)  # type: ignore[misc]
        self.folder, self.split, self.norm, self.lower_bound = folder, split, norm, lower_bound
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.events, self.hits, self.class_mix = events, hits, class_mix
        self.extra_tau, self.shift, self.simulation_seed = extra_tau, shift, simulation_seed

    @property
    def domain_names(self) -> tuple[str, ...]:
        return ("all",) if self.target == "none" and self.target_folder is None else ("source", "target")

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        files = self._sources(data_root).files(cache_root)
        paths = [*files.source, *files.target]
        sample = collect(paths, cache_root, as_divided=self.split == "file", lower_bound=self.lower_bound)
        everything = self._everything(sample, len(files.source))
        rows = self._parts(sample, everything, seed)
        everything.labelled[rows[2]] = everything.clean[rows[2]] != HIDDEN
        train, val, test = (everything.select(part) for part in rows)
        train, clean = self.thinning.apply(_complete(train, sample), len(sample.event_classes), seed)
        train = train.joined(everything.select(self._extra(sample)))
        of_source = replace(sample, headers=sample.headers[: len(files.source)])
        usual = np.flatnonzero((everything.domain == 0) & ~self._extra(sample))
        norm, told = scaling(of_source, train.rows[train.domain == 0], usual, self.norm)
        self.learned = {
            "planes": [*sample.schema.planes], "features": sample.schema.features,
            "norm": {plane: values.tolist() for plane, values in norm.items()},
        }  # fmt: skip
        inputs = GraphInputs(sample.packed, norm)
        train, val, test = (replace(part, inputs=inputs) for part in (train, val, test))
        return Splits(
            train, val, test, sample.event_classes, self.domain_names,
            clean=None if clean is None else replace(clean, inputs=inputs),
            natural_prior=NATURAL_PRIOR if files.simulated else None, notes=(*files.notes, *told, *_remarks(sample)),
            fingerprint=files.fingerprint,
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """Graphs or event tables, with or without truth; how many events of tables become no graph is logged."""
        paths = find(path)
        if not paths:
            raise UserError(f"{path}: no .h5 files here")
        sample = collect(paths, cache_root, as_divided=False, lower_bound=self.lower_bound)
        have = {"planes": [*sample.schema.planes], "features": sample.schema.features}
        for name, found in have.items():
            if found != self.learned[name]:
                raise UserError(f"{path}: its {name} are {found}, those learned from {self.learned[name]}")
        for remark in sample.left_out:
            log.warning("%s: %s", path, remark)
        norm = {plane: np.array(values, dtype=np.float32) for plane, values in self.learned["norm"].items()}
        return Unlabelled(GraphInputs(sample.packed, norm), _keys(sample))

    def _sources(self, data_root: Path) -> Sources:
        return Sources(
            data_root / self.folder,
            None if self.target_folder is None else data_root / self.target_folder,
            Simulation(self.events, self.class_mix, self.hits, self.simulation_seed),
            self.extra_tau,
            self.shift if self.target == "shifted" else None,
        )

    # --- splits ---

    def _everything(self, sample: Sample, source: int) -> Split:
        """All graphs as one split; those of the first `source` files are the source's. Raises UserError if one has no label."""
        label, domain = sample.packed.label, (sample.path >= source).astype(np.int64)
        known, of_source = label != HIDDEN, domain == 0
        if not sample.event_classes or not of_source.any() or not known[of_source].all():
            raise UserError(
                f"{sample.paths[0]}: {(~known[of_source]).sum()} of {of_source.sum()} graphs have no evt/y, and event_classes are "
                f"{', '.join(sample.event_classes) or 'not given'}; the event's class is learned: make the file with an event labeller"
            )
        labelled = of_source | (known & self.target_labels)
        return replace(whole(GraphInputs(sample.packed), label), domain=domain, labelled=labelled, keys=_keys(sample))

    def _parts(self, sample: Sample, everything: Split, seed: int) -> list[IntArray]:
        """Rows of training, validation and test, as the files say or drawn; of additional events none."""
        if sample.part is not None:
            return [np.flatnonzero(sample.part == k) for k in range(3)]
        usual = np.flatnonzero(~self._extra(sample))
        fractions = [1 - self.val_fraction - self.test_fraction, self.val_fraction]
        strata = everything.clean * len(self.domain_names) + everything.domain
        return [usual[part] for part in random_split(strata[usual], fractions, numpy_stream(seed, "data"))]

    def _extra(self, sample: Sample) -> BoolArray:
        return (sample.file == EXTRA) & (self.extra_tau > 0)


def _keys(sample: Sample) -> dict[str, npt.NDArray[Any]]:
    names = dict(zip(("run", "subrun", "event"), sample.packed.event.T, strict=True))
    return {**names, "file": sample.file}


def _complete(train: Split, sample: Sample) -> Split:
    """Raises UserError if a class of the source is missing in training."""
    empty = np.flatnonzero(class_counts(train.clean[train.domain == 0], len(sample.event_classes)) == 0)
    if len(empty):
        raise UserError(
            f"the training split has no event of class '{sample.event_classes[empty[0]]}'; add files, or simulate more events"
        )
    return train


def _remarks(sample: Sample) -> tuple[str, ...]:
    """What a person should know of the graphs."""
    n, holes, lost = len(sample.packed), sample.packed.holes(), sample.packed.without_vertex()
    told = [f"{holes} of {n} graphs have a plane without a hit"] if holes else []
    if 0 < lost < n:
        told += [f"{lost} of {n} graphs have no true vertex: it is taken as known of none, and there is no vertex head"]
    told += sample.left_out
    if sample.part is not None and (left := sum(len(header.names) for header in sample.headers) - n):
        told += [f"{left} graphs that stand in no sample are left out"]
    return tuple(told)
