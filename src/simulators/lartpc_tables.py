"""One event of a liquid-argon chamber as tables: what an experiment's event files hold, and the simulator makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Table = dict[str, npt.NDArray[Any]]
"""Columns of equal length."""


@dataclass(frozen=True)
class EventTables:
    """The tables of one event, with the column names of the experiments' event files."""

    run: int
    subrun: int
    event: int
    hits: Table
    """hit_id, local_plane, local_wire, local_time, integral, rms."""
    points: Table
    """Space points: spacepoint_id, hit_id_u, hit_id_v, hit_id_y (-1: none); x, y, z in cm where they are known."""
    edeps: Table
    """hit_id, g4_id, energy: a row for every particle that left something in a hit."""
    truth: Table
    """One row: is_cc, nu_pdg, nu_vtx_corr (1, 3) in cm, nu_vtx_wire_pos (1, 3), nu_vtx_wire_time."""
    particles: Table | None = None
    """g4_id, parent_id (0: none), type (PDG code), momentum (GeV), start_process, end_process (Geant4's words)."""
