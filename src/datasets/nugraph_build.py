"""From the tables of an event to a graph: hits of each plane, Delaunay edges, links to space points, truth."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

from src.datasets.nugraph_graph import Floats, Ints, RawGraph, RawPlane
from src.datasets.nugraph_labels import SIMPLE, UNLABELLED, standard_labels
from src.errors import UserError
from src.simulators.lartpc_tables import EventTables, Table

PLANES = ("u", "v", "y")
POSITION_SCALE = np.array([0.3, 0.055], dtype=np.float32)
"""A wire and a tick, in cm."""
MOST_CHARGE = 1e6
EVENT_CLASSES = ("cc_nue", "cc_numu", "cc_nutau", "nc")
NEUTRINOS = (12, 14, 16)


class Dropped(Enum):
    """Why an event becomes no graph."""

    CHARGE = f"a hit's integral is above {MOST_CHARGE:g}"
    FEW_HITS = "a plane has too few hits"
    UNLABELLED = "a hit's particle has no semantic class"


def build(
    tables: EventTables, planes: Sequence[str] = PLANES, *, lower_bound: int = 20, label_vertex: bool = True
) -> RawGraph | Dropped:
    """The graph of an event, or the reason why there is none.

    Every plane must have `lower_bound` hits that some particle made (or simply hits, without a table of particles). A
    hit is of the particle that left most energy in it; without that table all hits have semantic class and instance -1.
    Planes number hits in the order of the table. `UserError` if the neutrino's species is none that has a class, or if a
    hit is in none of the planes or nowhere.
    """
    hits = tables.hits
    _check_places(tables, len(planes))
    if hits["integral"].max(initial=0) > MOST_CHARGE:
        return Dropped.CHARGE
    of = _particles_of(hits["hit_id"], tables.edeps)
    counted = of >= 0 if tables.particles is not None else np.ones(len(of), bool)
    if np.bincount(hits["local_plane"][counted], minlength=len(planes)).min() < lower_bound:
        return Dropped.FEW_HITS
    truth = _hit_truth(of, tables)
    if truth is None:
        return Dropped.UNLABELLED
    built = {
        name: _plane(tables, np.flatnonzero(hits["local_plane"] == i), *truth, name, i if label_vertex else None)
        for i, name in enumerate(planes)
    }
    vertex = tables.truth["nu_vtx_corr"][0].astype(np.float32) if label_vertex else None
    points = len(tables.points["spacepoint_id"])
    label = event_class(tables) if {"is_cc", "nu_pdg"} <= tables.truth.keys() else None
    return RawGraph(tables.run, tables.subrun, tables.event, built, points, label, vertex)


def _check_places(tables: EventTables, planes: int) -> None:
    hits = tables.hits
    good = {
        "local_plane": np.isin(hits["local_plane"], np.arange(planes)),
        "local_wire": np.isfinite(hits["local_wire"]), "local_time": np.isfinite(hits["local_time"]),
    }  # fmt: skip
    for column, fine in good.items():
        if not fine.all():
            hit = np.flatnonzero(~fine)[0]
            wanted = f"0 to {planes - 1}" if column == "local_plane" else "finite"
            raise UserError(
                f"event {_name(tables)} has a hit whose {column} is {hits[column][hit]}, hit_id {hits['hit_id'][hit]}; it "
                f"should be {wanted}: leave the event out or correct it"
            )


def _name(tables: EventTables) -> str:
    return f"{tables.run}, {tables.subrun}, {tables.event} (run, subrun, event)"


def event_class(tables: EventTables) -> int:
    """Position in EVENT_CLASSES: the neutrino's species in a charged current, else nc."""
    if not tables.truth["is_cc"][0]:
        return EVENT_CLASSES.index("nc")
    species = abs(int(tables.truth["nu_pdg"][0]))
    if species not in NEUTRINOS:
        raise UserError(
            f"event {_name(tables)} is a charged current of particle {species}, which is no neutrino; nu_pdg of its "
            "event_table should be one of ±12, ±14, ±16: leave the event out or correct it"
        )
    return NEUTRINOS.index(species)


def _particles_of(hit_id: npt.NDArray[np.int64], edeps: Table) -> Ints:
    """The g4_id of the particle that left most in each hit, the first of equal ones; -1 where none did."""
    energy = edeps["energy" if "energy" in edeps else "energy_fraction"]
    order = np.lexsort((-energy, edeps["hit_id"]))
    seen, first = np.unique(edeps["hit_id"][order], return_index=True)
    return _looked_up(hit_id, seen, edeps["g4_id"][order][first])


def _looked_up(keys: npt.NDArray[np.int64], known: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> Ints:
    """values[known == key] of every key, -1 where there is none; `known` rises."""
    if not len(known):
        return np.full(len(keys), -1)
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, values[place], -1).astype(np.int64)


def _hit_truth(of: Ints, tables: EventTables) -> tuple[Ints, Ints] | None:
    """Semantic class and instance of every hit; None if a particle that made one has no label."""
    if tables.particles is None:
        return np.full(len(of), -1), np.full(len(of), -1)
    labels, instances = standard_labels(tables.particles)
    order = np.argsort(tables.particles["g4_id"], kind="stable")
    row = _looked_up(of, tables.particles["g4_id"][order], order)
    made = of >= 0
    if (row[made] < 0).any() or (labels[row[made]] == UNLABELLED).any():
        return None
    semantic, instance = np.full(len(of), -1), np.full(len(of), -1)
    semantic[made], instance[made] = SIMPLE[labels[row[made]]], instances[row[made]]
    return semantic, instance


def _plane(tables: EventTables, rows: Ints, semantic: Ints, instance: Ints, name: str, vertex: int | None) -> RawPlane:
    """The hits in some rows of the table as one plane; `vertex` is its place among the wire positions of the vertex."""
    hits = {column: values[rows] for column, values in tables.hits.items()}
    pos = _scaled(hits["local_wire"], hits["local_time"])
    ids = hits["hit_id"].astype(np.int64)
    order = np.argsort(ids)
    linked = _looked_up(tables.points[f"hit_id_{name}"], ids[order], order)
    points = np.flatnonzero(linked >= 0)
    at = None
    if vertex is not None:
        at = _scaled(tables.truth["nu_vtx_wire_pos"][:, vertex], tables.truth["nu_vtx_wire_time"])
    return RawPlane(
        pos, np.stack([hits["integral"], hits["rms"]], axis=1).astype(np.float32), ids, semantic[rows], instance[rows],
        delaunay(pos), np.stack([linked[points], points]), at,
    )  # fmt: skip


def _scaled(wire: npt.NDArray[np.generic], time: npt.NDArray[np.generic]) -> Floats:
    return np.stack([wire, time], axis=1).astype(np.float32) * POSITION_SCALE


def delaunay(pos: Floats) -> Ints:
    """Edges (2, E) of the Delaunay triangulation of points (n, 2), both directions, sorted.

    Points that lie in a line or on one another are joggled by qhull (option QJ); where that is in vain, each is joined
    to the next by wire and time. Up to three points are all joined.
    """
    n = len(pos)
    if n < 4:
        return np.stack(np.nonzero(~np.eye(n, dtype=bool)))
    from scipy.spatial import Delaunay, QhullError

    try:
        a, b, c = Delaunay(pos, qhull_options="QJ").simplices.T.astype(np.int64)
        source, target = np.concatenate([a, b, c]), np.concatenate([b, c, a])
    except QhullError:
        order = np.lexsort(pos.T[::-1])
        source, target = order[:-1], order[1:]
    codes = np.concatenate([source * n + target, target * n + source])
    return np.stack(np.divmod(np.unique(codes), n))
