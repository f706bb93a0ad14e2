"""One event as a graph in memory: what files hold and what event tables become."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RawPlane:
    """One readout plane: n hits, E edges between them, L links to space points."""

    pos: Floats
    """(n, 2): wire and time; in cm in the first generation of files, raw numbers in the second."""
    x: Floats
    """(n, k): what else is known of a hit (integral, rms, ...), without its position."""
    id: Ints
    """(n,): the hit's number in its event."""
    semantic: Ints
    """(n,): its class; -1 where no particle made it."""
    instance: Ints
    """(n,): the particle that made it, counted from 0; -1 where none did."""
    edges: Ints
    """(2, E): from hit, to hit."""
    links: Ints
    """(2, L): hit, space point."""
    vertex: Floats | None = None
    """(1, 2): the interaction, seen in this plane."""

    def __len__(self) -> int:
        return len(self.pos)


@dataclass(frozen=True)
class RawGraph:
    """One event."""

    run: int
    subrun: int
    event: int
    planes: dict[str, RawPlane]
    points: int
    """Number of space points."""
    label: int | None = None
    """Class of the event, if known."""
    vertex: Floats | None = None
    """(3,): where the interaction was, in cm."""

    @property
    def name(self) -> str:
        return f"r{self.run}_sr{self.subrun}_evt{self.event}"
