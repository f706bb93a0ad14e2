"""Tracks and showers in liquid argon: where particles leave energy. Energies in MeV, lengths in cm.

A particle that stops loses A·R^-0.42 per cm at a residual range R (ArgoNeuT's power law, which tells protons from
muons), and never less than a minimum ionising one. A shower is a stem (of one electron, or of a photon's pair) and a
bundle of low-energy electrons whose depth follows the gamma profile of showers (PDG, Passage of particles through
matter); these are scattered tracks like all others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from src.simulators.lartpc_columns import chosen, joined
from src.simulators.lartpc_particles import (
    ELECTRON,
    GAMMA,
    KAON,
    MUON,
    PION,
    PROTON,
    Array,
    Ints,
    Mask,
    Particles,
    masses,
    unit,
)

LOW, HIGH = np.array([0.0, -300.0, 0.0]), np.array([360.0, 300.0, 700.0])
"""The chamber: x along the drift, y up, z along the beam."""
MIP, POWER = 2.1, 0.42
BRAGG = {ELECTRON: MIP, MUON: 7.5, PION: 8.0, KAON: 14.0, PROTON: 17.0}
"""A in the loss per cm A·R^-POWER."""
INTERACTION_LENGTH = {MUON: 1e9, PION: 85.0, KAON: 85.0, PROTON: 90.0}
RADIATION_LENGTH, CRITICAL_ENERGY = 14.0, 32.0
SHOWERING = 70.0
"""Electrons and photons below are tracks."""
STEM, FIRST_BRANCH = (12.0, 28.0), 2.5
"""How far the first electron of a shower can be seen, and goes alone."""
BRANCH = 18.0
"""Mean energy of the electrons that a shower ends in."""


@dataclass(frozen=True)
class Rays:
    """Charged particles about to make tracks; `owner` is whose deposits these are."""

    owner: Ints
    kind: Ints
    start: Array
    direction: Array
    kinetic: Array
    limit: Array
    """Longest way before something else happens."""

    def __len__(self) -> int:
        return len(self.owner)


@dataclass(frozen=True)
class Deposits:
    """Energy left in steps along tracks, `rate` of it per cm."""

    owner: Ints
    position: Array
    energy: Array
    rate: Array


@dataclass(frozen=True)
class Ends:
    """How each track ended; `left` is the kinetic energy at that point."""

    position: Array
    direction: Array
    left: Array
    outside: Mask


def kinetic_of(residual: Array, bragg: Array) -> Array:
    """Energy of a particle that stops after a residual range; `bragg` is its A."""
    knee = (bragg / MIP) ** (1 / POWER)
    low = bragg / (1 - POWER) * np.minimum(residual, knee) ** (1 - POWER)
    return low + MIP * np.maximum(residual - knee, 0)


def range_of(kinetic: Array, bragg: Array) -> Array:
    """The inverse of `kinetic_of`."""
    knee = (bragg / MIP) ** (1 / POWER)
    at_knee = bragg / (1 - POWER) * knee ** (1 - POWER)
    low = (np.minimum(kinetic, at_knee) * (1 - POWER) / bragg) ** (1 / (1 - POWER))
    return low + np.maximum(kinetic - at_knee, 0) / MIP


def tracks(rng: np.random.Generator, rays: Rays, step: float) -> tuple[Deposits, Ends]:
    """Ionisation in steps along scattered tracks, up to the walls."""
    bragg = _each(rays.kind, BRAGG)
    reach = range_of(rays.kinetic, bragg)
    length = np.minimum(reach, rays.limit)
    count = np.maximum(np.ceil(length / step), 1).astype(np.int64)
    row, first = np.repeat(np.arange(len(count)), count), np.cumsum(count) - count
    size = (length / count)[row]
    before = reach[row] - (np.arange(len(row)) - first[row]) * size
    kinetic, after = (kinetic_of(np.maximum(residual, 0), bragg[row]) for residual in (before, before - size))
    direction = unit(rays.direction[row] + _summed(_kicks(rng, kinetic, size, masses(rays.kind)[row]), row, first))
    position = rays.start[row] + _summed(direction * size[:, None], row, first)
    inside = ((position > LOW) & (position < HIGH)).all(axis=1)
    seen = np.minimum.reduceat(np.where(inside, len(row), np.arange(len(row))), first) if len(row) else first
    last = np.maximum(np.minimum(seen, first + count) - 1, first)
    ends = Ends(position[last], direction[last], np.maximum(after[last], 0), seen < first + count)
    kept = np.arange(len(row)) < seen[row]
    loss = (kinetic - after) * rng.gamma(9, 1 / 9, len(row))
    deposits = Deposits(rays.owner[row], position - direction * size[:, None] / 2, loss, loss / np.maximum(size, 1e-3))
    return chosen(deposits, kept), ends


def _each(kind: Ints, values: dict[int, float]) -> Array:
    codes = np.array(sorted(values))
    return np.array([values[code] for code in sorted(values)])[np.searchsorted(codes, kind)]


def _kicks(rng: np.random.Generator, kinetic: Array, size: Array, mass: Array) -> Array:
    """Multiple scattering in each step (Highland's width), shape (steps, 3)."""
    momentum_speed = kinetic * (kinetic + 2 * mass) / (kinetic + mass) + 2.0
    width = 13.6 / momentum_speed * np.sqrt(size / RADIATION_LENGTH)
    return np.minimum(width, 0.8)[:, None] * rng.standard_normal((len(size), 3))


def _summed(values: Array, row: Ints, first: Ints) -> Array:
    """Running sums that start anew in each row."""
    total = np.cumsum(values, axis=0)
    return total - (total[first] - values[first])[row] if len(row) else total


def charged(rng: np.random.Generator, particles: Particles, owner: Ints) -> Rays:
    """The tracks of muons and charged hadrons, up to where hadrons interact."""
    limit = rng.exponential(_each(particles.kind, INTERACTION_LENGTH))
    return Rays(owner, particles.kind, particles.start, particles.direction, particles.kinetic, limit)


def showers(rng: np.random.Generator, particles: Particles, owner: Ints) -> Rays:
    """The electrons that electrons and photons turn into; photons first cross a gap."""
    photon = particles.kind == GAMMA
    gap = np.where(photon, rng.exponential(9 / 7 * RADIATION_LENGTH, len(photon)), 0)
    start = particles.start + gap[:, None] * particles.direction
    big = particles.kinetic > SHOWERING
    number = np.where(photon & big, 2, 1)
    stem = np.minimum(rng.uniform(*STEM, len(photon)), 0.5 * particles.kinetic / (number * MIP))
    kinetic = particles.kinetic / np.where(big, number, 1.25)
    limit = np.where(big, stem, np.inf)
    pairs = np.repeat(np.arange(len(photon)), number)
    opening = 0.03 * photon[pairs, None] * rng.standard_normal((len(pairs), 3))
    heading = unit(particles.direction[pairs] + opening)
    stems = _electrons(owner[pairs], start[pairs], heading, kinetic[pairs], limit[pairs])
    left = particles.kinetic - MIP * stem * number
    branches = _branches(rng, particles.direction, start, left, photon, np.flatnonzero(big))
    blips = _blips(rng, particles.direction, start, particles.kinetic / 5, np.flatnonzero(~big & (kinetic > 8)))
    return joined([stems, *(replace(rays, owner=owner[rays.owner]) for rays in (branches, blips))])


def _branches(rng: np.random.Generator, direction: Array, start: Array, left: Array, photon: Mask, which: Ints) -> Rays:
    """The bundle of a shower beyond its stem: electrons off its axis, later ones farther; `owner` is the row."""
    row = np.repeat(which, np.maximum(rng.poisson(np.maximum(left[which], 0) / BRANCH), 1))
    share = rng.exponential(1.0, len(row))
    kinetic = share * (np.maximum(left, 1) / np.maximum(np.bincount(row, share, len(left)), 1e-9))[row]
    peak = np.maximum(np.log(np.maximum(left, 1) / CRITICAL_ENERGY) + np.where(photon, 0.5, -0.5), 0.3)[row]
    depth = rng.gamma(1 + 0.5 * peak, 2.0)
    wide = np.where(rng.random(len(row)) < 0.12, 3.0, 1.0) * (0.25 + 0.45 * depth)
    aside = wide[:, None] * rng.standard_normal((len(row), 3))
    along = (FIRST_BRANCH + 0.75 * RADIATION_LENGTH * depth)[:, None]
    heading = unit(direction[row] + aside / (along + 5) + 0.12 * rng.standard_normal((len(row), 3)))
    return _electrons(row, start[row] + along * direction[row] + aside, heading, kinetic)


def _blips(rng: np.random.Generator, direction: Array, start: Array, energy: Array, which: Ints) -> Rays:
    """What a low-energy electron radiates: short electrons, some way off; `owner` is the row."""
    row = np.repeat(which, rng.poisson(energy[which] / 4))
    heading = unit(direction[row] + 0.6 * rng.standard_normal((len(row), 3)))
    position = start[row] + rng.exponential(RADIATION_LENGTH, len(row))[:, None] * heading
    kinetic = 0.5 + rng.exponential(3.0, len(row))
    return _electrons(row, position, heading, kinetic)


def _electrons(owner: Ints, start: Array, direction: Array, kinetic: Array, limit: Array | None = None) -> Rays:
    limit = np.full(len(owner), np.inf) if limit is None else limit
    return Rays(owner, np.full(len(owner), ELECTRON), start, direction, kinetic, limit)
