"""Whether a graph can be learned from: its lengths, numbers, labels and indices; one sentence for the first that cannot."""

from __future__ import annotations

import numpy as np

from src.datasets.nugraph_graph import Ints, RawGraph, RawPlane
from src.errors import UserError

REMEDY = "make the file again, or leave the graph out of samples"
MOST_CLASSES = 128
"""Of hits: packed labels are int8."""


def check(
    graph: RawGraph, where: str, semantic_classes: int, event_classes: int, features: int | None = None
) -> int | None:
    """Raises UserError; else the number of features of a hit, position included, None while no hit was seen.

    Labels are numbers from 0, a hit's -1 for noise; classes that are not known (0) allow any, of hits MOST_CLASSES.
    `features` are those of the graphs before.
    """
    at = f"{where}: graph {graph.name}"
    if event_classes and graph.label is not None and not 0 <= graph.label < event_classes:
        raise UserError(f"{at}: event label {graph.label}; there are classes 0 to {event_classes - 1}: {REMEDY}")
    if graph.vertex is not None and not (graph.vertex.shape == (3,) and np.isfinite(graph.vertex).all()):
        raise UserError(f"{at}: the vertex {graph.vertex} is not three finite numbers; {REMEDY}")
    for name, plane in graph.planes.items():
        _check_plane(plane, graph.points, f"{at}, plane {name}", semantic_classes)
        if len(plane):
            found = 2 + plane.x.shape[1]
            if found != (features or found):
                raise UserError(
                    f"{at}, plane {name}: hits have {found} features (position included), those before {features}; put files "
                    "of different kinds into different folders"
                )
            features = found
    return features


def _check_plane(plane: RawPlane, points: int, at: str, semantic_classes: int) -> None:
    n = len(plane)
    _check_shapes(plane, at)
    for name, values in (("pos", plane.pos), ("x", plane.x)):
        if not np.isfinite(values).all():
            hit = np.flatnonzero(~np.isfinite(values).all(axis=1))[0]
            raise UserError(f"{at}: {name} of hit {hit} is {values[hit].tolist()}, not finite; {REMEDY}")
    last = min(semantic_classes or MOST_CLASSES, MOST_CLASSES) - 1
    if n and not -1 <= plane.semantic.min() <= plane.semantic.max() <= last:
        hit = np.flatnonzero((plane.semantic < -1) | (plane.semantic > last))[0]
        raise UserError(
            f"{at}: semantic label {plane.semantic[hit]} of hit {hit}; there are classes 0 to {last}, and -1: {REMEDY}"
        )
    for what, ends, count in (
        ("edge", plane.edges, n),
        ("link's hit", plane.links[0], n),
        ("point", plane.links[1], points),
    ):
        _check_index(ends, count, f"{at}: {what}")


def _check_shapes(plane: RawPlane, at: str) -> None:
    n = len(plane)
    hits, pairs = dict.fromkeys(("id", "semantic", "instance"), (n,)), dict.fromkeys(("edges", "links"), (2, None))
    for name, shape in {"pos": (n, 2), "x": (n, None), **hits, **pairs}.items():
        found = getattr(plane, name).shape
        if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
            wanted = str(shape).replace("None", "any")
            raise UserError(f"{at}: {name} is of shape {found}, not {wanted}, at {n} hits; {REMEDY}")


def _check_index(ends: Ints, count: int, at: str) -> None:
    if ends.size and not 0 <= ends.min() <= ends.max() < count:
        raise UserError(f"{at} indices reach from {ends.min()} to {ends.max()}, and there are {count}; {REMEDY}")
