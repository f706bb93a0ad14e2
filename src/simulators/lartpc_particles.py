"""Particles in liquid argon: what they are, and lists of them. Energies in MeV, lengths in cm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ELECTRON, MUON, GAMMA, PIZERO, PION, KAON, NEUTRON, PROTON = 11, 13, 22, 111, 211, 321, 2112, 2212
MASSES = {
    ELECTRON: 0.511, MUON: 105.7, GAMMA: 0.0, PIZERO: 135.0, PION: 139.6, KAON: 493.7, NEUTRON: 939.6, PROTON: 938.3,
}  # fmt: skip
_CODES = np.array(sorted(MASSES))
_MASSES = np.array([MASSES[code] for code in sorted(MASSES)])


@dataclass(frozen=True)
class Particles:
    """One row per particle; directions are unit vectors."""

    pdg: Ints
    parent: Ints
    """The row of its parent among all particles of the event, from 1; 0 for those of the interaction."""
    start: Array
    direction: Array
    kinetic: Array
    process: npt.NDArray[np.str_]
    """What made it, in Geant4's words."""

    def __len__(self) -> int:
        return len(self.pdg)

    @property
    def kind(self) -> Ints:
        """PDG code without its sign."""
        return np.abs(self.pdg)

    @property
    def momentum(self) -> Array:
        """In MeV."""
        return np.sqrt(self.kinetic * (self.kinetic + 2 * masses(self.pdg)))


def make(pdg: Any, parent: Any, start: Any, direction: Array, kinetic: Any, process: Any) -> Particles:
    """As many particles as there are directions (n, 3), of any length; the rest is the same for all, or has n rows."""
    n = len(direction)
    columns = [np.full(n, value) if np.ndim(value) == 0 else value for value in (pdg, parent, kinetic, process)]
    place = start if np.ndim(start) == 2 else np.broadcast_to(start, (n, 3))
    return Particles(columns[0], columns[1], place, unit(direction), columns[2], columns[3])


def masses(pdg: Ints) -> Array:
    return _MASSES[np.searchsorted(_CODES, np.abs(pdg))]


def unit(vectors: Array) -> Array:
    """Vectors (n, 3) at length one."""
    return vectors / np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-12)[:, None]
