"""What a particle in liquid argon leaves behind: decays, captures, interactions, delta rays. Energies in MeV.

Processes have Geant4's names, for they are what semantic truth is read from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from src.simulators.lartpc_columns import chosen
from src.simulators.lartpc_particles import (
    ELECTRON,
    GAMMA,
    KAON,
    MASSES,
    MUON,
    NEUTRON,
    PION,
    PIZERO,
    PROTON,
    Array,
    Ints,
    Mask,
    Particles,
    make,
    masses,
    unit,
)
from src.simulators.lartpc_tracks import Ends

Words = npt.NDArray[np.str_]

FREE_DECAY = 0.27
"""Share of stopped μ- that decay before argon captures them."""
INELASTIC = {PION: "pi+Inelastic", -PION: "pi-Inelastic", KAON: "kaon+Inelastic", PROTON: "protonInelastic"}
DELTA = 12.0
"""Least energy of a delta ray that is followed on its own."""
SCATTERS = 45.0
"""Mean way of a neutron to where it shows, in cm."""


def end_processes(particles: Particles, ends: Ends) -> Words:
    """How charged tracks end: out of the chamber, at rest, or in an interaction."""
    rest = ends.left < 1.0
    words = np.array([INELASTIC.get(int(pdg), "hIoni") for pdg in particles.pdg], dtype="U24")
    words[rest] = "Decay"
    words[rest & (particles.pdg == MUON)] = "muMinusCaptureAtRest"
    words[rest & (particles.pdg == -PION)] = "hBertiniCaptureAtRest"
    words[rest & (particles.kind == PROTON)] = "hIoni"
    words[ends.outside] = "CoupledTransportation"
    return words


def from_tracks(
    rng: np.random.Generator, particles: Particles, rows: Ints, ends: Ends, processes: Words
) -> list[Particles]:
    """All that charged tracks make, along their way and at its end; `rows` are their numbers in the event."""
    rest, muon = processes == "Decay", particles.kind == MUON
    captured = processes == "muMinusCaptureAtRest"
    free = captured & (rng.random(len(rows)) < FREE_DECAY)
    kinetic = 52.8 * rng.beta(3.0, 1.6, len(rows))  # close to the Michel spectrum
    return [
        _deltas(rng, particles, rows, ends),
        *_interactions(rng, particles, rows, ends, np.char.endswith(processes, "Inelastic"), processes),
        *_at_rest(rng, -ELECTRON, kinetic, rest & muon, rows, ends, "Decay"),
        *_at_rest(rng, ELECTRON, kinetic, free, rows, ends, "muMinusCaptureAtRest"),
        *_at_rest(rng, -MUON, np.full(len(rows), 4.1), rest & (particles.pdg == PION), rows, ends, "Decay"),
        *_at_rest(rng, -MUON, np.full(len(rows), 152.0), rest & (particles.kind == KAON), rows, ends, "Decay"),
        *_captures(rng, captured & ~free, rows, ends, "muMinusCaptureAtRest", protons=0.1),
        *_captures(rng, processes == "hBertiniCaptureAtRest", rows, ends, "hBertiniCaptureAtRest", protons=1.5),
    ]


def _at_rest(
    rng: np.random.Generator, pdg: int, kinetic: Array, which: Mask, rows: Ints, ends: Ends, process: str
) -> list[Particles]:
    """One daughter of each that decays, in any direction."""
    if not which.any():
        return []
    aside = rng.standard_normal((int(which.sum()), 3))
    return [make(pdg, rows[which], ends.position[which], aside, kinetic[which], process)]


def _captures(
    rng: np.random.Generator, which: Mask, rows: Ints, ends: Ends, process: str, protons: float
) -> list[Particles]:
    """Nuclei that swallow a particle at rest give off photons, neutrons and protons."""
    of = np.flatnonzero(which)
    if not len(of):
        return []
    counts = rng.poisson([[2.0], [1.2], [protons]], (3, len(of)))
    row, sums = np.repeat(np.tile(of, 3), counts.ravel()), counts.sum(axis=1)
    kinetic = 0.5 + rng.exponential(np.repeat([3.0, 8.0, 14.0], sums))
    aside = rng.standard_normal((len(row), 3))
    pdg = np.repeat([GAMMA, NEUTRON, PROTON], sums)
    return [make(pdg, rows[row], ends.position[row], aside, kinetic, process)]


def _interactions(
    rng: np.random.Generator, particles: Particles, rows: Ints, ends: Ends, which: Mask, processes: Words
) -> list[Particles]:
    """A hadron hits a nucleus: a pion goes on at an angle, turns into a π0, or is absorbed; nucleons are knocked out."""
    of = np.flatnonzero(which)
    if not len(of):
        return []
    fate, left = rng.random(len(of)), ends.left[of]
    pion = particles.kind[of] != PROTON
    on, zero = np.where(pion, fate < 0.45, fate < 0.8), pion & (fate > 0.85)
    counts = [on.astype(np.int64), zero.astype(np.int64), rng.poisson(1.3, len(left)), rng.poisson(1.0, len(left))]
    row = np.concatenate([np.repeat(of, count) for count in counts])
    pdg = np.repeat([0, PIZERO, PROTON, NEUTRON], [count.sum() for count in counts])
    same = pdg == 0
    pdg[same] = particles.pdg[row[same]]
    share = np.where(same | (pdg == PIZERO), rng.uniform(0.3, 0.85, len(row)), rng.exponential(0.12, len(row)))
    kinetic = np.minimum(share, 0.9) * ends.left[row]
    wide = np.where(same, 0.35, np.where(pdg == PIZERO, 0.5, 1.0))[:, None]
    direction = ends.direction[row] + wide * rng.standard_normal((len(row), 3))
    return [make(pdg, rows[row], ends.position[row], direction, np.maximum(kinetic, 1.0), processes[row])]


def _deltas(rng: np.random.Generator, particles: Particles, rows: Ints, ends: Ends) -> Particles:
    """Electrons knocked on by fast tracks, with energies as 1/T²; placed on the straight line from start to end."""
    way = ends.position - particles.start
    length = np.sqrt(np.einsum("ij,ij->i", way, way))
    mass = masses(particles.pdg)
    gamma = 1 + particles.kinetic / mass
    most = 1.022 * (gamma**2 - 1) / (1 + 2 * gamma * 0.511 / mass)
    mean = np.where(most > DELTA, 0.096 / DELTA * (1 - DELTA / np.maximum(most, DELTA)), 0) * length
    row = np.repeat(np.arange(len(rows)), rng.poisson(mean))
    kinetic = 1 / (1 / DELTA - rng.random(len(row)) * (1 / DELTA - 1 / most[row]))
    cos = np.sqrt(kinetic / (kinetic + 1.022))[:, None]
    direction = particles.direction[row] * cos + np.sqrt(1 - cos**2) * 0.7 * rng.standard_normal((len(row), 3))
    at = particles.start[row] + rng.random(len(row))[:, None] * way[row]
    return make(ELECTRON, rows[row], at, direction, kinetic, np.where(particles.kind[row] == MUON, "muIoni", "hIoni"))


def from_neutrals(rng: np.random.Generator, particles: Particles, rows: Ints) -> list[Particles]:
    """What π0 and neutrons turn into."""
    zero, neutron = particles.pdg == PIZERO, particles.pdg == NEUTRON
    photons = _photons(rng, chosen(particles, zero), rows[zero]) if zero.any() else []
    return photons + (_recoils(rng, chosen(particles, neutron), rows[neutron]) if neutron.any() else [])


def _photons(rng: np.random.Generator, pizeros: Particles, rows: Ints) -> list[Particles]:
    """Both photons: back to back at rest, in any direction, boosted."""
    mass = MASSES[PIZERO]
    energy, momentum = pizeros.kinetic + mass, pizeros.momentum[:, None] * pizeros.direction
    aside = mass / 2 * unit(rng.standard_normal((len(rows), 3)))
    parts = []
    for side in (aside, -aside):
        along = np.einsum("ij,ij->i", side, momentum)
        boosted = side + momentum / mass * (along / (energy + mass) + mass / 2)[:, None]
        kinetic = np.sqrt(np.einsum("ij,ij->i", boosted, boosted))
        parts.append(make(GAMMA, rows, pizeros.start, boosted, kinetic, "Decay"))
    return parts


def _recoils(rng: np.random.Generator, neutrons: Particles, rows: Ints) -> list[Particles]:
    """A neutron shows where it knocks out protons, and where it is captured, by photons of a few MeV; each some way off."""
    n = len(rows)
    hit = neutrons.start + rng.exponential(SCATTERS, n)[:, None] * neutrons.direction
    row = np.repeat(np.arange(n), rng.binomial(2, 0.3, n))
    kinetic = np.minimum(neutrons.kinetic[row], 4.0 + rng.exponential(25.0, len(row)))
    heading = neutrons.direction[row] + rng.standard_normal((len(row), 3))
    protons = make(PROTON, rows[row], hit[row], heading, kinetic, "neutronInelastic")
    caught = hit + 25.0 * rng.standard_normal((n, 3))
    row = np.repeat(np.arange(n), np.where(rng.random(n) < 0.6, rng.poisson(2.5, n), 0))
    aside = rng.standard_normal((len(row), 3))
    photons = make(GAMMA, rows[row], caught[row], aside, np.maximum(rng.exponential(2.1, len(row)), 0.7), "nCapture")
    return [protons, photons]
