"""What Vertex Picker finds in nuclear emulsion, reduced to what a micrograph shows: tracks and blobs around a point.

A toy with the qualitative physics of the alpha-decay study: stars of the uranium (4 tracks) and thorium (5) series,
interactions of beam hadrons, captures at rest, crossings of unrelated tracks, dark spots. Lengths in µm on the picture,
x and y from the centre of the crop, depth from the plane in focus.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FIELD = 87.0
"""Side of a crop."""
REACH = 66.0
"""From the centre beyond every corner."""

URANIUM, THORIUM, INTERACTION, CAPTURE, CROSSING, SPOT = range(6)
KINDS = ("uranium", "thorium", "interaction", "capture", "crossing", "spot")
URANIUM_SHARE = 0.4
OTHERS = {INTERACTION: 0.43, CAPTURE: 0.07, CROSSING: 0.32, SPOT: 0.18}
"""Shares of what is no alpha decay."""

RANGES = {
    URANIUM: (25.0, 29.3, 32.4, 43.0),  # radium 226 (4.78 MeV), radon 222 (5.49), polonium 218 (6.00) and 214 (7.69)
    THORIUM: (28.9, 30.5, 34.2, 37.2, 50.0),  # thorium 228 (5.42), radium 224 (5.69), radon 220, polonium 216 and 212
}
"""25 µm (E / 4.78 MeV)^1.14, which spans the study's 25 to 50 µm; straggling is 3 %."""
LEAST_ANGLE = np.deg2rad(24)
"""Between the alphas of one star on the picture."""

ALPHA, BLACK, GREY, THIN = range(4)
GRAINS, SPREAD = np.array([8.0, 6.5, 1.9, 0.45]), np.array([0.50, 0.42, 0.30, 0.22])
"""Grains per µm, and their standard deviation from the axis in µm, for each boldness."""


@dataclass
class Tracks:
    """One row per arm that leaves a point; arrays (n,)."""

    crop: Ints
    x: Array
    y: Array
    depth: Array
    angle: Array
    length: Array
    dip: Array
    """Depth gained per µm on the picture."""
    bend: Array
    """Curvature on the picture, 1/µm."""
    bold: Ints
    attached: npt.NDArray[np.bool_]
    """Whether it belongs to the object, not to the background."""

    def __len__(self) -> int:
        return len(self.crop)


@dataclass
class Blobs:
    """Clumps of grains, Gaussian or filled discs that overlap; arrays (n,)."""

    crop: Ints
    x: Array
    y: Array
    depth: Array
    radius: Array


@dataclass
class Scene:
    """What stands in so many crops."""

    kind: Ints
    tracks: Tracks
    blobs: Blobs


def draw_scene(rng: np.random.Generator, alpha: npt.NDArray[np.bool_]) -> Scene:
    """One object per crop, an alpha decay where `alpha` says so, and what else lies about in the emulsion."""
    n = len(alpha)
    others = rng.choice(list(OTHERS), n, p=list(OTHERS.values()))
    kind = np.where(alpha, np.where(rng.random(n) < URANIUM_SHARE, URANIUM, THORIUM), others)
    vertex = rng.normal(0, 1.6, (n, 2))
    makers = {URANIUM: _star, THORIUM: _star, INTERACTION: _interaction, CAPTURE: _capture, CROSSING: _crossing}
    parts = [_background(rng, n)]
    for which, make in makers.items():
        crops = np.flatnonzero(kind == which)
        parts.append(make(rng, crops, vertex, which))
    blobs = [_dust(rng, n)]
    spots = np.flatnonzero(kind == SPOT)
    blobs.append(_spot(rng, spots, vertex))
    parts.append(_stubs(rng, spots, vertex))
    return Scene(kind, _joined(parts), _joined(blobs))


def _joined(parts: list[Tracks] | list[Blobs]) -> Any:
    cls = type(parts[0])
    return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def _arms(
    rng: np.random.Generator, crop: Ints, vertex: Array, angle: Array, length: Array, bold: Ints,
    *, flat: float = 0.22, bend: float = 0.0, attached: bool = True,
) -> Tracks:  # fmt: skip
    """Arms from the vertices of their crops; `flat` is the spread of their dips, `bend` that of their curvatures."""
    n = len(crop)
    return Tracks(
        crop, vertex[crop, 0], vertex[crop, 1], np.zeros(n), angle, length,
        np.clip(rng.normal(0, flat, n), -0.6, 0.6), rng.normal(0, bend, n), bold, np.full(n, attached),
    )  # fmt: skip


def _star(rng: np.random.Generator, crops: Ints, vertex: Array, series: int) -> Tracks:
    """All alphas of a series from one point, in directions that differ by at least LEAST_ANGLE."""
    ranges = np.array(RANGES[series])
    n, k = len(crops), len(ranges)
    gaps = LEAST_ANGLE + (2 * np.pi - k * LEAST_ANGLE) * rng.dirichlet(np.ones(k), n)
    angle = rng.uniform(0, 2 * np.pi, n)[:, None] + np.cumsum(gaps, axis=1)
    length = np.clip(rng.permuted(np.tile(ranges, (n, 1)), axis=1) * rng.normal(1, 0.03, (n, k)), 25, 50)
    crop = np.repeat(crops, k)
    return _arms(rng, crop, vertex, angle.ravel(), length.ravel(), np.full(n * k, ALPHA), bend=0.0008)


def _interaction(rng: np.random.Generator, crops: Ints, vertex: Array, kind: int) -> Tracks:
    """A beam hadron, thin or grey, from the edge to the vertex, and what leaves the nucleus: black, grey and thin."""
    beam = rng.uniform(0, 2 * np.pi, len(crops))
    first = _arms(
        rng, crops, vertex, beam, np.full(len(crops), 2 * REACH), rng.choice([THIN, GREY], len(crops), p=[0.75, 0.25])
    )
    count = 2 + rng.poisson(2.0, len(crops))
    crop = np.repeat(crops, count)
    bold = rng.choice([BLACK, GREY, THIN], len(crop), p=[0.56, 0.26, 0.18])
    length = np.where(bold == BLACK, 4 + rng.exponential(32, len(crop)), 2 * REACH)
    angle = np.where(
        bold == BLACK,
        rng.uniform(0, 2 * np.pi, len(crop)),
        np.repeat(beam, count) + np.pi + rng.normal(0, 0.9, len(crop)),
    )
    return _joined([first, _arms(rng, crop, vertex, angle, length, bold, flat=0.3, bend=0.003)])


def _capture(rng: np.random.Generator, crops: Ints, vertex: Array, kind: int) -> Tracks:
    """A particle stopped and captured without a visible beam: black tracks of any length."""
    count = 3 + rng.poisson(1.2, len(crops))
    crop = np.repeat(crops, count)
    length = 5 + rng.exponential(28, len(crop))
    return _arms(
        rng, crop, vertex, rng.uniform(0, 2 * np.pi, len(crop)), length, np.full(len(crop), BLACK), flat=0.3, bend=0.004
    )


def _crossing(rng: np.random.Generator, crops: Ints, vertex: Array, kind: int) -> Tracks:
    """Two to four tracks that pass each other within a few µm: two opposite arms each, some of which end."""
    count = rng.choice([2, 3, 4], len(crops), p=[0.5, 0.35, 0.15])
    crop = np.repeat(crops, count)
    n = len(crop)
    bold = rng.choice([BLACK, GREY, THIN], n, p=[0.62, 0.24, 0.14])
    angle = rng.uniform(0, np.pi, n)
    ends = (bold == BLACK)[:, None] & (rng.random((n, 2)) < 0.45)
    length = np.where(ends, 8 + rng.exponential(34, (n, 2)), 2 * REACH)
    aside = rng.normal(0, 1.5, n)
    dip, bend = np.clip(rng.normal(0, 0.22, n), -0.6, 0.6), rng.normal(0, 0.002, n)
    x, y = vertex[crop, 0] - aside * np.sin(angle), vertex[crop, 1] + aside * np.cos(angle)
    depth = rng.normal(0, 1.5, n)
    sides = [
        Tracks(crop, x, y, depth, angle + turn, length[:, i], sign * dip, sign * bend, bold, np.full(n, True))
        for i, (turn, sign) in enumerate(((0.0, 1.0), (np.pi, -1.0)))
    ]
    return _joined(sides)


def _spot(rng: np.random.Generator, crops: Ints, vertex: Array) -> Blobs:
    """A dark clump without a clear outline: discs that overlap."""
    count = rng.integers(3, 13, len(crops))
    crop = np.repeat(crops, count)
    size = np.repeat(np.clip(rng.lognormal(1.95, 0.5, len(crops)), 2.0, 16.0), count)
    place = vertex[crop] + rng.normal(0, 0.5, (len(crop), 2)) * size[:, None]
    depth = np.repeat(rng.normal(0, 4, len(crops)), count)
    return Blobs(crop, place[:, 0], place[:, 1], depth, size * rng.uniform(0.15, 0.65, len(crop)))


def _stubs(rng: np.random.Generator, crops: Ints, vertex: Array) -> Tracks:
    """Tracks that end at a spot or pass it."""
    count = rng.poisson(1.4, len(crops))
    crop = np.repeat(crops, count)
    length = np.where(rng.random(len(crop)) < 0.6, 4 + rng.exponential(14, len(crop)), 2 * REACH)
    bold = rng.choice([BLACK, GREY, THIN], len(crop), p=[0.5, 0.3, 0.2])
    return _arms(rng, crop, vertex, rng.uniform(0, 2 * np.pi, len(crop)), length, bold, flat=0.3, bend=0.004)


def _background(rng: np.random.Generator, n: int) -> Tracks:
    """Tracks that have nothing to do with the object: thin ones of the beam, some grey and black, anywhere."""
    crop = np.repeat(np.arange(n), rng.poisson(1.6, n))
    m = len(crop)
    bold = rng.choice([THIN, GREY, BLACK], m, p=[0.5, 0.25, 0.25])
    whole = (bold != BLACK) | (rng.random(m) < 0.5)
    length = np.where(whole, 2 * REACH, 5 + rng.exponential(25, m))
    angle, place = rng.uniform(0, 2 * np.pi, m), rng.uniform(-FIELD / 2, FIELD / 2, (m, 2))
    back = np.where(whole, REACH, 0)
    x, y = place[:, 0] - back * np.cos(angle), place[:, 1] - back * np.sin(angle)
    dip = np.clip(rng.normal(0, 0.15, m), -0.6, 0.6)
    return Tracks(
        crop, x, y, rng.normal(0, 6, m) - back * dip, angle, length, dip, rng.normal(0, 0.0005, m), bold, np.full(m, False)
    )  # fmt: skip


def _dust(rng: np.random.Generator, n: int) -> Blobs:
    """Small clumps anywhere."""
    crop = np.repeat(np.arange(n), rng.poisson(0.8, n))
    place = rng.uniform(-FIELD / 2, FIELD / 2, (len(crop), 2))
    radius = np.clip(rng.lognormal(0.5, 0.6, len(crop)), 0.6, 6)
    return Blobs(crop, place[:, 0], place[:, 1], rng.normal(0, 8, len(crop)), radius)
