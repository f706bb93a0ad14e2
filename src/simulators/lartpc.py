"""Toy neutrino events in a liquid-argon time projection chamber with three planes of wires, as tables.

Charged currents of νe, νμ and ντ and neutral currents, in the skewed shares of the DUNE study. Muons and hadrons make
tracks that thicken where they stop, electrons and photons make showers, photons after a gap; there are Michel
electrons, delta rays, recoils of neutrons and noise. ντ look like the other classes with other kinematics, and are
hard to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from src.simulators.lartpc_columns import joined
from src.simulators.lartpc_interactions import CLASSES, Interaction, interact
from src.simulators.lartpc_particles import GAMMA, Array, Particles, make
from src.simulators.lartpc_readout import NOMINAL, PITCH, Response, energies, read_out, seen, space_points, with_noise
from src.simulators.lartpc_secondaries import Words
from src.simulators.lartpc_tables import EventTables, Table
from src.simulators.lartpc_tracks import HIGH, LOW
from src.simulators.lartpc_transport import transport

CLASS_MIX = (0.23, 0.23, 0.04, 0.50)
"""Shares of CLASSES: what a batch of 32 of the study holds."""
HITS_AT_ONE, SLOPE = 3700.0, 1.08
"""Mean number of hits with every wire read out, and how it falls: as coarse ** -SLOPE."""
INSET = np.array([[40.0, 60.0, 20.0], [40.0, 60.0, 350.0]])
"""Vertices keep so far from the chamber's walls."""
SPACE_POINTS, WITHOUT = 0.9, 0.005
"""Share of the space points that are found; of the events that have none at all."""


def simulate(
    events: int,
    *,
    class_mix: Sequence[float] = CLASS_MIX,
    seed: int = 0,
    first: int = 0,
    hits: int = 1000,
    diffuse: float = 4.0,
    response: Response = NOMINAL,
) -> Iterator[EventTables]:
    """So many events; each follows from the arguments and from its number, counted from `first`, alone.

    `class_mix` are the shares of CLASSES, (0, 0, 1, 0) for ντ alone. `hits` is about the mean number of hits in an event
    (all planes, usual mix; 3,700 at most): for fewer, neighbouring wires are read out as one, and events look coarser.
    `diffuse` is the mean number of stray photons, `response` the detector's; the particles of an event do not depend on
    it. The run is 1 + seed, so that events of other seeds have other names. ValueError if the shares are none.
    """
    mix = np.asarray(class_mix, np.float64)
    if mix.shape != (len(CLASSES),) or (mix < 0).any() or not mix.sum() > 0:
        raise ValueError(f"class_mix has a share >= 0 for each of {', '.join(CLASSES)}, not all 0")
    coarse = max((HITS_AT_ONE / hits) ** (1 / SLOPE), 1.0)
    for number in range(first, first + events):
        rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
        yield _event(rng, seed, number, int(rng.choice(len(mix), p=mix / mix.sum())), coarse, diffuse, response)


def _event(
    rng: np.random.Generator, seed: int, number: int, flavour: int, coarse: float, diffuse: float, response: Response
) -> EventTables:
    vertex = rng.uniform(LOW + INSET[0], HIGH - INSET[1])
    interaction = interact(rng, flavour, vertex)
    primaries = joined([interaction.particles, _stray(rng, vertex, diffuse)])
    particles, ends, deposits = transport(rng, primaries, step=coarse * PITCH / 2)
    found, member = read_out(rng, deposits, coarse, response)
    found, member = with_noise(rng, found, member, coarse, response)
    share = SPACE_POINTS if rng.random() > WITHOUT else 0.0
    return EventTables(
        1 + seed, number // 1000, number,
        hits=found.table(), points=space_points(rng, deposits, found, member, share),
        edeps=energies(deposits.owner, deposits.energy, member),
        truth=_truth(interaction, vertex), particles=_particle_table(particles, ends),
    )  # fmt: skip


def _stray(rng: np.random.Generator, vertex: Array, mean: float) -> Particles:
    """Photons of a few MeV about the interaction, of neutrons that nobody saw."""
    n = rng.poisson(mean)
    place = vertex + np.array([60.0, 60.0, 80.0]) * rng.standard_normal((n, 3))
    return make(GAMMA, 0, place, rng.standard_normal((n, 3)), 0.7 + rng.exponential(2.5, n), "primary")


def _particle_table(particles: Particles, ends: Words) -> Table:
    return {
        "g4_id": 1 + np.arange(len(particles)), "parent_id": particles.parent, "type": particles.pdg,
        "momentum": (particles.momentum / 1000).astype(np.float32),
        "start_process": particles.process, "end_process": ends,
    }  # fmt: skip


def _truth(interaction: Interaction, vertex: Array) -> Table:
    wires, ticks = seen(vertex[None, :])
    return {
        "is_cc": np.array([interaction.is_cc]), "nu_pdg": np.array([interaction.nu_pdg]),
        "nu_vtx_corr": vertex[None, :].astype(np.float32), "nu_vtx_wire_pos": wires.astype(np.float32),
        "nu_vtx_wire_time": ticks.astype(np.float32),
    }  # fmt: skip
