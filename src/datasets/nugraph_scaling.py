"""By which mean and deviation the features of a sample's hits are scaled: the files', the training graphs', the reference's."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from src.datasets import nugraph_norm
from src.datasets.graph_inputs import GraphInputs
from src.datasets.nugraph_sample import Sample
from src.errors import UserError
from src.task import IntArray

Scaling = Literal["auto", "file", "train", "reference"]
Norms = dict[str, npt.NDArray[Any]]
"""Of each plane (2, features): mean, deviation."""
OF_ALL = "norm/* of the file is used; NuGraph makes it of all graphs, the test's too: dataset.norm=train takes the training's"


def scaling(sample: Sample, train: IntArray, source: IntArray, how: Scaling) -> tuple[Norms, tuple[str, ...]]:
    """Of each plane (2, features), and what a person should know of them.

    `train` are the rows of the training graphs, `source` those of all graphs of the source, test included.

    Raises UserError for a file's norm that cannot be used where nothing else will do, or for NaN that the reference's merging gives.
    """
    if how == "reference":
        return _merged(sample, source), ()
    if how == "train":
        return _exact(sample, train), ()
    stored = stored_norm(sample)
    if not isinstance(stored, str):
        return stored, (OF_ALL,) if how == "auto" else ()
    if how == "file":
        raise UserError(f"dataset.norm=file: {stored}; use norm=train")
    told = any(header.norm for header in sample.headers)  # that there is none needs no word
    return _exact(sample, train), (f"{stored}: the training graphs' own mean and deviation are used",) if told else ()


def stored_norm(sample: Sample) -> Norms | str:
    """What the files say, or why that cannot be used."""
    for header in sample.headers:
        for plane in sample.schema.planes:
            if plane not in header.norm:
                return f"{header.path} has no norm/{plane}"
            values = header.norm[plane]
            if values.shape != (2, sample.schema.features):
                return f"norm/{plane} of {header.path} is {values.shape}; hits have {sample.schema.features} features"
            if not np.isfinite(values).all() or not (values[1] > 0).all():
                return f"norm/{plane} of {header.path} has a value that is not finite, or a deviation of 0"
            if not np.array_equal(values, sample.headers[0].norm[plane]):
                return f"norm/{plane} of {header.path} differs from that of {sample.headers[0].path.name}"
    return dict(sample.headers[0].norm) if sample.headers else "event tables have no norm"


def _exact(sample: Sample, train: IntArray) -> Norms:
    inputs = GraphInputs(sample.packed)
    return {plane: nugraph_norm.exact(inputs.blocks(plane, train)) for plane in sample.schema.planes}


def _merged(sample: Sample, rows: IntArray) -> Norms:
    """The reference's, over these graphs in the order in which HDF5 lists them, file by file."""
    inputs, events = GraphInputs(sample.packed), sample.packed.event[rows]
    names = np.array(["r{}_sr{}_evt{}".format(*event) for event in events])
    order, planes = rows[np.lexsort((names, sample.path[rows]))], sample.schema.planes
    norm = {p: nugraph_norm.reference(inputs.blocks(p, order, nugraph_norm.BATCH)) for p in planes}
    if not all(np.isfinite(values).all() for values in norm.values()):
        raise UserError(
            "dataset.norm=reference gives NaN, as the reference does where a batch has one hit or none in a plane; use "
            "norm=train"
        )
    return norm
