"""From particles to pixels: energy deposits along tracks and showers, scintillator cells, the 2 × 100 × 80 pixel map.

Near detector: 96 cells of 3.9 cm across a plane; planes of 6.6 cm alternate between the x view (even) and the y view
(odd), 192 active ones, then 22 in the muon catcher at twice the pitch. Lengths in cm, deposits in MeV. A minimum
ionising particle leaves about 11 MeV in a plane; the radiation length is 40 cm, the Molière radius 11 cm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from src.simulators.nova_events import (
    ELECTRON,
    MUON,
    NEUTRON,
    PHOTON,
    PION,
    PROTON,
    Array,
    Ints,
    Particles,
    photons,
    unit,
)

CELLS, PLANES, ACTIVE_PLANES = 96, 214, 192
CELL, PLANE, CATCHER_PLANE = 3.9, 6.6, 14.0
HALF, DEPTH = CELLS * CELL / 2, ACTIVE_PLANES * PLANE
END = DEPTH + (PLANES - ACTIVE_PLANES) * CATCHER_PLANE
STEP = 3.3
MIP, VISIBLE = 1.7, 0.72
"""Visible loss of a minimum ionising particle in MeV/cm; the share of an ionisation loss that is not in dead material."""
STOPPING = {MUON: (MIP, 14.0, 4.0), PION: (MIP, 22.0, 5.0), PROTON: (2.6, 45.0, 8.0)}
"""Visible part of the kinetic energy at a residual range r is a·r + b·(1 - exp(-r/c)): a plateau and a Bragg peak; MeV and cm."""
MASS = {MUON: 106.0, PION: 140.0, PROTON: 938.0}
RADIATION_LENGTH, CRITICAL_ENERGY, INTERACTION_LENGTH = 40.0, 75.0, 85.0
PHOTOELECTRONS, GAIN, ADC_THRESHOLD = 3.0, 0.8, 4
"""Light per MeV at the readout end; counts per photoelectron; smallest count that makes a hit."""
ATTENUATION = 800.0
MAP_SHAPE = (2, 100, 80)


@dataclass
class Deposits:
    """Energy left at points: event (n,), position (n, 3), energy (n,)."""

    event: Ints
    position: Array
    energy: Array


@dataclass
class Hits:
    """Cells above threshold, sorted by event; `view` is plane % 2, `adc` 1..255."""

    event: Ints
    plane: Ints
    cell: Ints
    adc: Ints
    energy: Array


def exit_distance(start: Array, direction: Array) -> Array:
    """How far a straight line goes before it leaves the detector; 0 outside."""
    low, high = np.array([-HALF, -HALF, 0.0]), np.array([HALF, HALF, END])
    speed = np.where(np.abs(direction) < 1e-6, 1e-6, direction)
    walls = np.where(speed > 0, high - start, low - start) / speed
    return np.maximum(walls.min(axis=1), 0)


def propagate(rng: np.random.Generator, particles: Particles) -> tuple[Deposits, Array]:
    """All deposits of the particles, secondaries included, and where each particle ends (n, 3)."""
    stop = particles.start.copy()
    parts: list[Deposits] = []
    secondaries: list[Particles] = []
    for species in (MUON, PION, PROTON):
        which = particles.species == species
        deposits, stop[which], more = tracks(rng, particles.select(which), species)
        parts.append(deposits)
        secondaries += more
    which = (particles.species == ELECTRON) | (particles.species == PHOTON)
    deposits, stop[which] = showers(rng, particles.select(which))
    parts.append(deposits)
    secondaries.append(neutron_recoils(rng, particles.select(particles.species == NEUTRON)))
    if any(len(s) for s in secondaries) and len(particles):
        parts.append(propagate(rng, Particles.concatenate(secondaries))[0])
    return Deposits(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("event", "position", "energy"))
    ), stop


def tracks(rng: np.random.Generator, particles: Particles, species: int) -> tuple[Deposits, Array, list[Particles]]:
    """Ionisation along scattered tracks of one species; pions may interact and send out secondaries."""
    a, b, c = STOPPING[species]
    grid = np.concatenate([np.linspace(0, 100, 401), np.linspace(101, 20000, 400)])
    kinetic = 1000 * VISIBLE * particles.kinetic
    reach = np.interp(kinetic, a * grid + b * (1 - np.exp(-grid / c)), grid)
    interacts = rng.exponential(INTERACTION_LENGTH, len(reach)) if species == PION else np.full(len(reach), np.inf)
    length = np.minimum(np.minimum(reach, interacts), exit_distance(particles.start, particles.direction))
    count = np.maximum(np.ceil(length / STEP), 1).astype(np.int64)
    row = np.repeat(np.arange(len(count)), count)
    first = np.cumsum(count) - count
    along = (np.arange(len(row)) - first[row] + 0.5) * (length / count)[row]
    residual = reach[row] - along
    half = (length / count / 2)[row]
    ends = [a * r + b * (1 - np.exp(-r / c)) for r in (residual + half, np.maximum(residual - half, 0))]
    energy = (ends[0] - ends[1]) * rng.gamma(6, 1 / 6, len(row))
    scatter = _scatter(rng, ends[0], length / count, row, first, MASS[species])
    position = particles.start[row] + along[:, None] * particles.direction[row]
    position[:, :2] += scatter
    stop = position[first + count - 1] if len(count) else particles.start
    deposits = Deposits(particles.event[row], position, energy)
    return (
        deposits,
        stop,
        _secondaries(rng, particles, stop, reach - length, interacts == length) if species == PION else [],
    )


def _scatter(rng: np.random.Generator, kinetic: Array, step: Array, row: Ints, first: Ints, mass: float) -> Array:
    """Transverse displacement of each step by multiple scattering (Highland's width), shape (steps, 2)."""
    beta_p = kinetic * (kinetic + 2 * mass) / (kinetic + mass) + 15.0
    kick = (13.6 / beta_p * np.sqrt(step[row] / RADIATION_LENGTH))[:, None] * rng.standard_normal((len(row), 2))
    angle = np.cumsum(kick, axis=0)
    angle -= angle[first][row] if len(row) else 0
    shift = np.cumsum(angle * step[row][:, None], axis=0)
    return shift - shift[first][row] if len(row) else shift


def _secondaries(
    rng: np.random.Generator, pions: Particles, stop: Array, left: Array, interacted: npt.NDArray[np.bool_]
) -> list[Particles]:
    """After an interaction: a kinked pion, a charge-exchange π0, or nothing; and two or three protons."""
    left = MIP / VISIBLE * left / 1000
    hit = interacted & (left > 0.06)
    parents = pions.select(hit)
    n, fate, left, stop = len(parents), rng.random(int(hit.sum())), left[hit], stop[hit]
    direction = unit(parents.direction + 0.6 * rng.standard_normal((n, 3)))
    pion = Particles(parents.event, np.full(n, PION), stop, direction, left * rng.uniform(0.3, 0.8, n))
    zero, kink = fate < 0.2, (fate >= 0.2) & (fate < 0.6)
    twice = np.repeat(np.arange(n), rng.integers(1, 4, n))
    spray = unit(parents.direction[twice] + 1.2 * rng.standard_normal((len(twice), 3)))
    energy = np.minimum(0.03 + rng.exponential(0.07, len(twice)), left[twice])
    protons = Particles(parents.event[twice], np.full(len(twice), PROTON), stop[twice], spray, energy)
    return [pion.select(kink), photons(rng, pion.select(zero)), protons]


def neutron_recoils(rng: np.random.Generator, neutrons: Particles) -> Particles:
    """A neutron shows only where it knocks out a proton, some way off."""
    n = len(neutrons)
    start = neutrons.start + rng.exponential(70, n)[:, None] * neutrons.direction
    inside = (np.abs(start[:, :2]) < HALF).all(axis=1) & (start[:, 2] > 0) & (start[:, 2] < END)
    seen = inside & (rng.random(n) < 0.5)
    direction = unit(neutrons.direction + rng.standard_normal((n, 3)))
    energy = np.minimum(neutrons.kinetic, 0.02 + rng.exponential(0.05, n))
    return Particles(neutrons.event, np.full(n, PROTON), start, direction, energy).select(seen)


def showers(rng: np.random.Generator, particles: Particles) -> tuple[Deposits, Array]:
    """Electromagnetic showers as bundles of short tracks about the axis; photons first cross a gap.

    Depth of the short tracks follows the gamma profile dE/dt ∝ t^(a-1) exp(-t/2) with its maximum at ln(E/Ec) ∓ 0.5
    radiation lengths (electron, photon); their distance from the axis grows with depth. Before it the electron draws one
    minimum ionising stem from the vertex, the converted photon a stem of two.
    """
    energy = np.maximum(1000 * particles.kinetic, 5.0)
    photon = particles.species == PHOTON
    gap = np.where(photon, rng.exponential(9 / 7 * RADIATION_LENGTH, len(energy)), 0)
    origin = particles.start + gap[:, None] * particles.direction
    stem_length = np.where(photon, rng.uniform(0.4, 0.7, len(gap)), rng.uniform(0.5, 1.1, len(gap))) * RADIATION_LENGTH
    stem_length = np.minimum(stem_length, energy / np.where(photon, 2 * MIP, MIP))
    stem_loss = np.where(photon, 2, 1) * MIP
    stems = _segments(
        particles.event, origin, particles.direction, stem_length, stem_loss * rng.gamma(20, 0.05, len(gap))
    )
    left = np.maximum(energy - stem_loss * stem_length, 0)
    number = np.where(left > 8, np.maximum(rng.poisson(left / 26), 1), 0)
    row = np.repeat(np.arange(len(number)), number)
    peak = np.maximum(np.log(energy / CRITICAL_ENERGY) + np.where(photon, 0.5, -0.5), 0.4)
    depth = rng.gamma(1 + 0.5 * peak[row], 2.0)
    aside = rng.standard_normal((len(row), 3)) * (1.0 + 1.6 * depth)[:, None]
    start = (
        origin[row] + (0.4 * stem_length[row] + RADIATION_LENGTH * depth)[:, None] * particles.direction[row] + aside
    )
    axis = unit(particles.direction[row] + 0.22 * rng.standard_normal((len(row), 3)))
    length = rng.gamma(2, 0.5, len(row))
    length *= (left / MIP / np.maximum(np.bincount(row, length, len(left)), 1e-9))[row]
    length = np.minimum(length, 60)
    bundle = _segments(particles.event[row], start - 0.5 * length[:, None] * axis, axis, length, np.full(len(row), MIP))
    extent = np.minimum(gap + RADIATION_LENGTH * 2.2 * (peak + 1), exit_distance(particles.start, particles.direction))
    stop = particles.start + extent[:, None] * particles.direction
    return Deposits(*(np.concatenate(p) for p in zip(_columns(stems), _columns(bundle), strict=True))), stop


def _columns(deposits: Deposits) -> tuple[Ints, Array, Array]:
    return deposits.event, deposits.position, deposits.energy


def _segments(event: Ints, start: Array, direction: Array, length: Array, loss: Array) -> Deposits:
    """Straight pieces of track with a constant loss per cm."""
    count = np.maximum(np.ceil(length / STEP), 1).astype(np.int64)
    row = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(row)) - (np.cumsum(count) - count)[row] + 0.5
    along = within * (length / count)[row]
    return Deposits(event[row], start[row] + along[:, None] * direction[row], (loss * length / count)[row])


def plane_of(z: Array) -> Ints:
    return np.where(z < DEPTH, z // PLANE, ACTIVE_PLANES + (z - DEPTH) // CATCHER_PLANE).astype(np.int64)


@dataclass(frozen=True)
class Response:
    """How the scintillator answers, relative to its simulation."""

    light: float = 1.0
    attenuation: float = ATTENUATION
    """Of light along a cell, cm."""
    noise: int = 5
    """Most noise hits in an event."""


def response(shift: float) -> Response:
    """The detector's own, at a strength in [0, 1]: aged scintillator and noisier electronics than are simulated."""
    return Response(1 - 0.12 * shift, ATTENUATION * (1 - 0.3 * shift), 5 + round(5 * shift))


def digitise(rng: np.random.Generator, deposits: Deposits, vertex: Array, answer: Response) -> Hits:
    """Cells above threshold: light attenuated along the cell, Poisson photoelectrons, 8 bits, some noise hits."""
    x, y, z = deposits.position.T
    inside = (np.abs(x) < HALF) & (np.abs(y) < HALF) & (z > 0) & (z < END)
    x, y, z, event, energy = x[inside], y[inside], z[inside], deposits.event[inside], deposits.energy[inside]
    plane = plane_of(z)
    across, along = np.where(plane % 2 == 0, x, y), np.where(plane % 2 == 0, y, x)
    cell = ((across + HALF) // CELL).astype(np.int64)
    light = answer.light * PHOTOELECTRONS * energy * np.exp((along - HALF) / answer.attenuation)
    noise = _noise(rng, vertex, answer.noise)
    code = np.concatenate([(event * PLANES + plane) * CELLS + cell, noise])
    fired, where = np.unique(code, return_inverse=True)
    light = rng.poisson(np.bincount(where, np.concatenate([light, np.full(len(noise), 10.0)]), len(fired)))
    adc = np.minimum(np.rint(GAIN * light), 255).astype(np.int64)
    energy = np.bincount(where, np.concatenate([energy, np.full(len(noise), 3.0)]), len(fired))
    kept = adc >= ADC_THRESHOLD
    fired = fired[kept]
    return Hits(fired // (PLANES * CELLS), fired // CELLS % PLANES, fired % CELLS, adc[kept], energy[kept])


def _noise(rng: np.random.Generator, vertex: Array, most: int) -> Ints:
    """Codes of random cells downstream of the vertices."""
    event = np.repeat(np.arange(len(vertex)), rng.integers(0, most + 1, len(vertex)))
    plane = plane_of(vertex[event, 2]) + rng.integers(0, 120, len(event))
    across = np.where(plane % 2 == 0, vertex[event, 0], vertex[event, 1])
    cell = ((across + HALF) // CELL).astype(np.int64) + rng.integers(-36, 37, len(event))
    real = (plane < PLANES) & (cell >= 0) & (cell < CELLS)
    return ((event * PLANES + plane) * CELLS + cell)[real]


def pixel_maps(hits: Hits, count: int) -> npt.NDArray[np.uint8]:
    """Maps (count, 2, 100, 80): view, column from the first plane hit, cell about the median of its view."""
    maps = np.zeros((count, *MAP_SHAPE), dtype=np.uint8)
    first = np.full(count, PLANES)
    np.minimum.at(first, hits.event, hits.plane)
    view = hits.plane % 2
    column = hits.plane // 2 - first[hits.event] // 2
    row = hits.cell - _median_cell(hits, view, count)[hits.event, view] + MAP_SHAPE[2] // 2
    seen = (column < MAP_SHAPE[1]) & (row >= 0) & (row < MAP_SHAPE[2])
    maps[hits.event[seen], view[seen], column[seen], row[seen]] = hits.adc[seen]
    return maps


def _median_cell(hits: Hits, view: Ints, count: int) -> Ints:
    """Median cell of each event and view, shape (count, 2); the middle of the detector where nothing was hit."""
    group = 2 * hits.event + view
    order = np.lexsort((hits.cell, group))
    size = np.bincount(group, minlength=2 * count)
    middle = np.cumsum(size) - size + size // 2
    cells = np.append(hits.cell[order], CELLS // 2)
    return np.where(size > 0, cells[np.minimum(middle, len(hits.cell))], CELLS // 2).reshape(count, 2)
