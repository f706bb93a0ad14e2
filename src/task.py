"""The shared vocabulary: what examples, splits, batches and the learning task look like. No logic beyond selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.graphs import Graphs, GraphSchema
from src.transition_matrix import TransitionMatrix

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Probabilities = npt.NDArray[np.float32] | npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

HIDDEN = -1
"""The label of an example whose label must not be seen (the target domain of unsupervised adaptation)."""

InputKind = Literal["image", "vector", "graph"]


class Inputs(Protocol):
    """Examples of any kind, fetched by position; what a batch of them is, only datasets and models know."""

    kind: InputKind
    shape: tuple[int, ...]
    """Shape of one example as the model sees it, e.g. (channels, height, width); () for ragged graphs."""

    def __len__(self) -> int: ...

    def resident(self, device: torch.device) -> Inputs:
        """The same inputs with their storage on the device, if they are small enough to stay there."""

    @property
    def streams(self) -> bool:
        """Whether fetching reads from disk or copies between devices, so that it pays to fetch ahead."""

    def fetch(self, positions: Tensor, device: torch.device) -> Any:
        """A model-ready batch on the device: floats, scaled. `positions`: (B,) int64 on the CPU."""


@dataclass(frozen=True)
class Split:
    """Rows of a sample, and all that is known of each; arrays have shape (n,).

    `labels` are the observed ones (possibly wrong); `clean` are the true ones, sealed: no training and no choice may
    read them. `labelled` says where a label may be used at all.
    """

    inputs: Inputs
    rows: IntArray
    """Position of each example in `inputs`."""
    labels: IntArray
    clean: IntArray
    domain: IntArray
    weight: FloatArray
    labelled: BoolArray
    keys: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Columns that name an event outside this project (run, subrun, ...)."""
    official_train: int | None = None
    """How many of the inputs, the first ones, are the data set's official training part; None if it has none."""
    class_numbers: tuple[int, ...] | None = None
    """The data set's own number of each class, where some were left out and the rest renumbered; None: they are as they were."""
    weigh_loss: bool = False
    """Whether `weight` counts in the training's loss, too, and not only in the metrics."""

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, which: IntArray | BoolArray) -> Split:
        """The rows at the given positions, or where the mask is true."""
        columns = ("rows", "labels", "clean", "domain", "weight", "labelled")
        chosen = {name: getattr(self, name)[which] for name in columns}
        return replace(self, **chosen, keys={name: column[which] for name, column in self.keys.items()})

    def joined(self, other: Split) -> Split:
        """These rows and the other's, of the same inputs."""
        columns = ("rows", "labels", "clean", "domain", "weight", "labelled")
        both: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in columns}
        keys = {name: np.concatenate([self.keys[name], other.keys[name]]) for name in self.keys}
        return replace(self, **both, keys=keys)

    def with_labels(self, labels: IntArray) -> Split:
        return replace(self, labels=labels)


@dataclass(frozen=True)
class Splits:
    """A data set, split: disjoint rows for training, validation and test, and the names of what they hold.

    The training split holds every domain; examples of a domain other than 0 (the source) are `labelled` only if the
    user said so. The validation split likewise; the test split is labelled throughout and read once, at the end.
    """

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    domain_names: tuple[str, ...] = ("all",)
    clean: Split | None = None
    """A few training examples with right labels that no noise model reaches, for methods that learn from some."""
    views: int = 1
    """Independent pictures of the same example that share the channel axis (projections of one event)."""
    natural_prior: tuple[float, ...] | None = None
    """Class mix of the deployment, where it is known."""
    working_recall: float | None = None
    """Share of a class that is to be found, where the data's users have agreed on one."""
    right: bool = True
    """Whether no training label is known, or feared, to be wrong as the data set gives it."""
    fingerprint: str = ""
    """Changes whenever the data do: a digest of files, or of simulator source and parameters."""
    notes: tuple[str, ...] = ()
    """What a person should know about these data, e.g. that they were simulated."""
    open_truth: Callable[[Split], Split] | None = None
    """Adds to the test split what is true of it but lies sealed in files of its own; called once, after all else."""


@dataclass(frozen=True)
class Task:
    """What is to be learned, as a model or a strategy needs to know it."""

    class_names: tuple[str, ...]
    domain_names: tuple[str, ...]
    input_kind: InputKind
    input_shape: tuple[int, ...]
    views: int = 1
    class_counts: tuple[int, ...] = ()
    """Observed training labels per class, after corruption, before balancing."""
    synthetic: int = 0
    """Examples that the imbalance strategy has put behind those."""
    transition: TransitionMatrix | None = None
    """P(observed | true) as the noise model states it; None where it is not known."""
    graph: GraphSchema | None = None
    """What graphs are made of; None for other inputs."""

    @classmethod
    def of_record(cls, described: Mapping[str, Any]) -> Task:
        """The task that a run's task.json describes."""
        known: dict[str, Any] = {name: described[name] for name in cls.__dataclass_fields__ if name in described}
        if known.get("graph"):
            known["graph"] = GraphSchema(**_tuples(known["graph"]))
        return cls(**_tuples(known))

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def num_domains(self) -> int:
        return len(self.domain_names)


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where there were tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


@dataclass
class Batch:
    """Examples on the device. `x` is whatever the model takes; the rest are (B,) tensors."""

    x: Any
    y: Tensor
    """Observed labels, int64; HIDDEN where they must not be seen."""
    domain: Tensor
    weight: Tensor
    """What each example counts in the loss: 1, unless the split weighs events there."""
    index: Tensor
    """Position of each example in its split, int64."""

    def __len__(self) -> int:
        return len(self.y)


def joined(source: Batch, target: Batch | None) -> Batch:
    """Source examples, then target examples, as one batch."""
    if target is None:
        return source
    columns = ("y", "domain", "weight", "index")
    return Batch(
        x=source.x.joined(target.x) if isinstance(source.x, Graphs) else torch.cat([source.x, target.x]),
        **{name: torch.cat([getattr(source, name), getattr(target, name)]) for name in columns},
    )


def class_counts(labels: IntArray, num_classes: int) -> IntArray:
    """How many examples carry each label, shape (num_classes,); hidden labels are left out."""
    return np.bincount(labels[labels >= 0], minlength=num_classes).astype(np.int64)
