"""Semantic truth of a liquid-argon event: from simulated particles to the classes of their hits.

The rules are those of pynuml's StandardLabels and SimpleLabels, on Geant4's process names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

PION, MUON, KAON, HADRON, SHOWER, MICHEL, DELTA, DIFFUSE, INVISIBLE = range(9)
SEMANTIC_CLASSES = ("MIP", "HIP", "shower", "michel", "diffuse")
SIMPLE = np.array([0, 0, 1, 1, 2, 3, 0, 4, -1])
"""The semantic class of each of the nine; -1 for what cannot be seen."""
UNLABELLED = -1
SHOWER_MOMENTUM, HADRON_MOMENTUM, DELTA_MOMENTUM, PROTON_ELECTRON_MOMENTUM = 0.02, 0.2, 0.01, 0.0015
"""Below (GeV), photons and electrons are no shower, protons no track, electrons no delta ray, those of protons diffuse."""
FIXED = {211: PION, 13: MUON, 321: KAON, 111: INVISIBLE, 130: INVISIBLE, 310: INVISIBLE, 311: INVISIBLE}
NEUTRAL = {12, 14, 16, 22, 111, 130, 310, 311}
MICHEL_PROCESSES = {"Decay", "muMinusCaptureAtRest", "muPlusCaptureAtRest"}
CONVERSIONS = {"conv", "compt"}
LATE_ENDS = {"StepLimiter", "annihil", "eBrem", "FastScintillation"}


def standard_labels(particles: Mapping[str, npt.NDArray[Any]]) -> tuple[Ints, Ints]:
    """The label (PION to INVISIBLE, or UNLABELLED) and the instance of every row of a table of particles.

    Showers, Michel electrons, delta rays and diffuse electrons hand their label down to all that they make. Instances
    count the visible objects from 0 in the order of the tree; what belongs to none has -1. A particle whose parents do
    not lead to one with parent 0, and one that no rule knows, is UNLABELLED.
    """
    columns = ("g4_id", "parent_id", "type", "start_process", "end_process", "momentum")
    rows = list(zip(*(particles[name].tolist() for name in columns), strict=True))
    children = defaultdict(list)
    for row, particle in enumerate(rows):
        children[particle[1]].append(row)
    labels, owners = np.full(len(rows), UNLABELLED), np.full(len(rows), -1)
    todo: list[tuple[int, int, int | None, int | None]]
    todo = [(row, 0, None, None) for row in reversed(children.pop(0, []))]
    numbers: dict[int, int] = {}
    while todo:
        row, parent, inherited, object_of = todo.pop()
        number, parent_id, pdg, start, end, momentum = rows[row]
        label, passes = (inherited, True) if inherited is not None else _label(pdg, parent, start, end, momentum)
        owner = object_of if object_of is not None else _object(label, number, parent_id, start)
        labels[row] = label
        if owner >= 0:
            owners[row] = numbers.setdefault(owner, len(numbers))
        below = (pdg, label if passes else None, owner if label in (SHOWER, MICHEL) else None)
        todo += [(child, *below) for child in reversed(children.pop(number, []))]
    return labels, owners


def _label(pdg: int, parent: int, start: str, end: str, momentum: float) -> tuple[int, bool]:
    """A particle's label, and whether all that it makes has the same."""
    kind = abs(pdg)
    if kind >= 10**9:
        return DIFFUSE, False  # nuclei
    if 1000 <= kind < 10_000:
        return (HADRON if kind == 2212 and momentum >= HADRON_MOMENTUM else DIFFUSE), False  # baryons
    if kind in NEUTRAL and end == "CoupledTransportation":
        return INVISIBLE, False
    if kind in FIXED:
        return FIXED[kind], False
    if kind == 11:
        return _electron(parent, start, end, momentum)
    return _conversion(start, end, momentum) if kind == 22 else (UNLABELLED, False)


def _electron(parent: int, start: str, end: str, momentum: float) -> tuple[int, bool]:
    if start == "primary":
        return SHOWER, True
    if abs(parent) == 13 and start in MICHEL_PROCESSES:
        return MICHEL, True
    converted = _conversion(start, end, momentum)
    if converted[0] != UNLABELLED:
        return converted
    if start in ("muIoni", "hIoni", "eIoni"):
        return (DELTA, True) if momentum > DELTA_MOMENTUM else (_knocked_on(parent, start, momentum), False)
    late = end in LATE_ENDS or start == "hBertiniCaptureAtRest"
    return (DIFFUSE, True) if late else (UNLABELLED, False)


def _knocked_on(parent: int, start: str, momentum: float) -> int:
    """Slow electrons along a track are part of it."""
    if start == "muIoni":
        return MUON
    if start == "eIoni" or (abs(parent) == 2212 and momentum <= PROTON_ELECTRON_MOMENTUM):
        return DIFFUSE
    return HADRON if abs(parent) == 2212 else PION


def _conversion(start: str, end: str, momentum: float) -> tuple[int, bool]:
    if start in CONVERSIONS or end in CONVERSIONS:
        return (SHOWER if momentum >= SHOWER_MOMENTUM else DIFFUSE), True
    return (DIFFUSE if start == "eBrem" or end in ("phot", "photonNuclear") else UNLABELLED), False


def _object(label: int, number: int, parent_id: int, start: str) -> int:
    """The particle that a hit's instance is named after; -1: none."""
    if (label == MUON and start == "muIoni") or (label in (PION, HADRON) and start == "hIoni"):
        return parent_id
    return -1 if label in (DELTA, DIFFUSE, INVISIBLE, UNLABELLED) else number
