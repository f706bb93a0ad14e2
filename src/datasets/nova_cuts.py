"""The cuts of the near detector's preselection: each says of every event whether it passes, (n,) bool.

A cut's keyword arguments are its thresholds: above is >, below <, at_least ≥, at_most ≤. Lengths are in cm, energies in
GeV. Of a branch with one row an event, a row that is missing fails the cut; of one with any number (vertices, prongs,
tracks) each cut says what none means. NaN fails every cut.

The cuts are those of NOvA's public analysis code: kNumuQuality, kNumuContainND2017 and the kNue2017ND preselection of
CAFAna (C++) and PandAna (Python). Where the two differ, or the study of 2020 differs, an option tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Len
from pydantic import AfterValidator, FiniteFloat

from src.component import PositiveInt
from src.datasets.caf_tables import Rows, Tables
from src.task import BoolArray

VERTICES, PRONGS, TRACKS = "rec.vtx.elastic", "rec.vtx.elastic.fuzzyk.png", "rec.trk.kalman.tracks"
SHOWERS, COSMIC_REJECTION = f"{PRONGS}.shwlid", "rec.sel.nuecosrej"
VERTEX_INDEX, TRACK_INDEX = f"{VERTICES}_idx", f"{TRACKS}_idx"
ENDS = [f"{end}.{axis}" for axis in "xyz" for end in ("start", "stop")]


def _rising(bounds: list[float]) -> list[float]:
    if not bounds[0] < bounds[1]:
        raise ValueError("the lower bound comes first")
    return bounds


Interval = Annotated[list[FiniteFloat], Len(2, 2), AfterValidator(_rising)]


# --- νμ: quality ---


def track_energy(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """Energy of the event as a νμ CC, rec.energy.numu/trkccE. No row: fails."""
    return t.value("rec.energy.numu", "trkccE") > above


def remid(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """How muon-like the best track is, rec.sel.remid/pid. No row: fails."""
    return t.value("rec.sel.remid", "pid") > above


def numu_hits(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """Hit cells, rec.slc/nhit. No row: fails."""
    return t.value("rec.slc", "nhit") > above


def planes(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """Contiguous planes, rec.slc/ncontplanes. No row: fails."""
    return t.value("rec.slc", "ncontplanes") > above


def cosmic_tracks(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """Tracks of the cosmic tracker, rec.trk.cosmic/ntracks. No row: fails."""
    return t.value("rec.trk.cosmic", "ntracks") > above


def max_energy(t: Tables, *, below: FiniteFloat) -> BoolArray:
    """trkccE again, in place of kCCE, whose splines are not public. No row: fails."""
    return t.value("rec.energy.numu", "trkccE") < below


# --- νμ: containment ---


def prongs(
    t: Tables, *, x: Interval, y: Interval, z: Interval, inclusive: bool, vertices: Literal["leading", "all"]
) -> BoolArray:
    """Both ends of every shower prong in the box, with its faces or without. No prong: passes."""
    leading = vertices == "leading"
    rows = t.rows(SHOWERS, *ENDS, *([VERTEX_INDEX] if leading else []))
    inside = _ends_inside(rows, (x, y, z), inclusive)
    return rows.every(inside | (rows[VERTEX_INDEX] != 0) if leading else inside)


def track_z(t: Tables, *, at_most: FiniteFloat, spared: Literal["leading", "remid", "none"]) -> BoolArray:
    """Both ends of every Kalman track but the spared one, which may go on into the muon catcher. No track: passes.

    `leading` spares index 0 (PandAna), `remid` the track that rec.trk.kalman/idxremid names (CAFAna), `none` none.
    """
    rows = t.rows(TRACKS, "start.z", "stop.z", TRACK_INDEX)
    passed = (rows["start.z"] <= at_most) & (rows["stop.z"] <= at_most)
    if spared == "none":
        return rows.every(passed)
    muon = t.value("rec.trk.kalman", "idxremid")[rows.event] if spared == "remid" else 0
    return rows.every(passed | (rows[TRACK_INDEX] == muon))


def remid_track(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """The track that remid chose is there: rec.trk.kalman ntracks - idxremid. No row: fails."""
    return t.value("rec.trk.kalman", "ntracks") - t.value("rec.trk.kalman", "idxremid") > above


def planes_hit(
    t: Tables, *, first_above: FiniteFloat, last_below: FiniteFloat | None, last_not: list[int]
) -> BoolArray:
    """First and last plane, rec.slc/firstplane and lastplane. No row: fails."""
    first, last = (t.value("rec.slc", name) for name in ("firstplane", "lastplane"))
    bound = np.inf if last_below is None else last_below
    return (first > first_above) & (last < bound) & ~np.isin(last, last_not)


def start_z(t: Tables, *, below: FiniteFloat) -> BoolArray:
    """Where the leading Kalman track (index 0) starts. No leading track: fails."""
    return _leading_track(t, "start.z", below)


def catcher(t: Tables, *, stop_below: FiniteFloat | None, transition_below: FiniteFloat) -> BoolArray:
    """The leading track stops before the muon catcher, or enters it below the air gap (rec.sel.contain/kalyposattrans).

    No leading track, or `stop_below` null: the second alone decides. No row in rec.sel.contain: the first does.
    """
    below_gap = t.value("rec.sel.contain", "kalyposattrans") < transition_below
    return below_gap if stop_below is None else below_gap | _leading_track(t, "stop.z", stop_below)


def cells_ahead(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """Cells from the muon's end to the wall, along it, rec.sel.contain/kalfwdcellnd. No row: fails."""
    return t.value("rec.sel.contain", "kalfwdcellnd") > above


def cells_behind(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """Cells from the muon's start to the wall, against it, rec.sel.contain/kalbakcellnd. No row: fails."""
    return t.value("rec.sel.contain", "kalbakcellnd") > above


# --- νe ---


def has_vertex(t: Tables, *, at_least: PositiveInt) -> BoolArray:
    """Vertices, rows of rec.vtx.elastic. None: fails."""
    return t.rows(VERTICES).number >= at_least


def has_prong(t: Tables, *, at_least: PositiveInt) -> BoolArray:
    """Prongs of all vertices, rows of rec.vtx.elastic.fuzzyk.png. None: fails."""
    return t.rows(PRONGS).number >= at_least


def hits_per_plane(t: Tables, *, below: FiniteFloat) -> BoolArray:
    """rec.sel.nuecosrej/hitsperplane; in a file without this branch, rec.slc nhit / ncontplanes. No row, or no plane: fails."""
    if COSMIC_REJECTION in t.file:
        return t.value(COSMIC_REJECTION, "hitsperplane") < below
    return t.value("rec.slc", "nhit") < below * t.value("rec.slc", "ncontplanes")


def vertex(t: Tables, *, x: Interval, y: Interval, z: Interval, vertices: Literal["leading", "all"]) -> BoolArray:
    """Vertices within the box, without its faces: the leading one (no vertex: fails), or all (no vertex: passes)."""
    rows = t.rows(VERTICES, "vtx.x", "vtx.y", "vtx.z", VERTEX_INDEX)
    inside = np.ones(len(rows.event), dtype=bool)
    for axis, (low, high) in zip("xyz", (x, y, z), strict=True):
        inside &= (low < rows[f"vtx.{axis}"]) & (rows[f"vtx.{axis}"] < high)
    return rows.every(inside) if vertices == "all" else rows.some(inside & (rows[VERTEX_INDEX] == 0))


def showers(t: Tables, *, x: Interval, y: Interval, z: Interval) -> BoolArray:
    """Both ends of every shower prong, of whatever vertex, in the box, without its faces. No prong: passes."""
    rows = t.rows(SHOWERS, *ENDS)
    return rows.every(_ends_inside(rows, (x, y, z), inclusive=False))


def front_planes(t: Tables, *, above: FiniteFloat) -> BoolArray:
    """Planes from the front to the event, rec.sel.contain/nplanestofront. No row: fails."""
    return t.value("rec.sel.contain", "nplanestofront") > above


def nue_hits(t: Tables, *, at_least: FiniteFloat, at_most: FiniteFloat) -> BoolArray:
    """Hit cells, rec.slc/nhit. No row: fails."""
    number = t.value("rec.slc", "nhit")
    return (number >= at_least) & (number <= at_most)


def energy(t: Tables, *, below: FiniteFloat) -> BoolArray:
    """Energy of the event as a νe CC, rec.energy.nue/E. No row: fails."""
    return t.value("rec.energy.nue", "E") < below


def longest_prong(t: Tables, *, above: FiniteFloat, below: FiniteFloat) -> BoolArray:
    """Length of the longest prong, rec.vtx.elastic.fuzzyk.png/len. No prong: fails."""
    rows = t.rows(PRONGS, "len")
    longest = np.full(rows.events, -np.inf)
    np.maximum.at(longest, rows.event, rows["len"])
    return (longest > above) & (longest < below)


def _leading_track(t: Tables, name: str, below: float) -> BoolArray:
    rows = t.rows(TRACKS, name, TRACK_INDEX)
    return rows.some((rows[TRACK_INDEX] == 0) & (rows[name] < below))


def _ends_inside(rows: Rows, box: Sequence[Sequence[float]], inclusive: bool) -> BoolArray:
    """Whether both ends of each prong are in the box."""
    inside = np.ones(len(rows.event), dtype=bool)
    for axis, (low, high) in zip("xyz", box, strict=True):
        a, b = rows[f"start.{axis}"], rows[f"stop.{axis}"]
        first, last = np.minimum(a, b), np.maximum(a, b)
        inside &= (low <= first) & (last <= high) if inclusive else (low < first) & (last < high)
    return inside


CUTS: dict[str, dict[str, Callable[..., BoolArray]]] = {
    "numu": {
        "track_energy": track_energy, "remid": remid, "hits": numu_hits, "planes": planes, "cosmic_tracks": cosmic_tracks,
        "max_energy": max_energy, "prongs": prongs, "track_z": track_z, "remid_track": remid_track, "planes_hit": planes_hit,
        "start_z": start_z, "catcher": catcher, "cells_ahead": cells_ahead, "cells_behind": cells_behind,
    },
    "nue": {
        "has_vertex": has_vertex, "has_prong": has_prong, "hits_per_plane": hits_per_plane, "vertex": vertex,
        "showers": showers, "front_planes": front_planes, "hits": nue_hits, "energy": energy, "longest_prong": longest_prong,
    },
}  # fmt: skip
"""Selection → name in the configuration → cut."""
