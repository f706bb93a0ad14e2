"""Particles through the chamber, generation by generation: what they leave, how they end, what they make."""

from __future__ import annotations

import numpy as np

from src.simulators.lartpc_columns import chosen, joined
from src.simulators.lartpc_particles import ELECTRON, GAMMA, NEUTRON, PIZERO, Ints, Particles
from src.simulators.lartpc_secondaries import Words, end_processes, from_neutrals, from_tracks
from src.simulators.lartpc_tracks import SHOWERING, Deposits, charged, showers, tracks

GENERATIONS = 7
"""Whatever would come later is too weak to be seen."""
CONVERTING = SHOWERING / 10
"""Photons below scatter off electrons before they make pairs (MeV)."""


def transport(rng: np.random.Generator, primaries: Particles, *, step: float) -> tuple[Particles, Words, Deposits]:
    """All particles, how each ends, and what they leave in steps of a length (cm), owned by rows counted from 1."""
    waves, words, deposits, count = [], [], [], 0
    wave = primaries
    for _ in range(GENERATIONS):
        rows = count + 1 + np.arange(len(wave))
        made, ends, left = _wave(rng, wave, rows, step)
        waves.append(wave)
        words.append(ends)
        deposits.append(left)
        count += len(wave)
        wave = joined(made)
        if not len(wave):
            break
    return joined(waves), np.concatenate(words), joined(deposits)


def _wave(
    rng: np.random.Generator, wave: Particles, rows: Ints, step: float
) -> tuple[list[Particles], Words, Deposits]:
    """One generation: its daughters, its ends and what it left."""
    cascade = (wave.kind == ELECTRON) | (wave.kind == GAMMA)
    track = ~cascade & (wave.kind != NEUTRON) & (wave.kind != PIZERO)
    tracked, owner = chosen(wave, track), rows[track]
    rays = joined([charged(rng, tracked, owner), showers(rng, chosen(wave, cascade), rows[cascade])])
    deposits, ends = tracks(rng, rays, step)
    ends = chosen(ends, slice(len(owner)))
    photon = np.where(wave.kinetic > CONVERTING, "conv", "compt")
    neutral = np.where(wave.kind == NEUTRON, "nCapture", "Decay")
    words = np.select([wave.kind == GAMMA, cascade], [photon, "eIoni"], neutral).astype("U24")
    words[track] = end_processes(tracked, ends)
    return [*from_tracks(rng, tracked, owner, ends, words[track]), *from_neutrals(rng, wave, rows)], words, deposits
