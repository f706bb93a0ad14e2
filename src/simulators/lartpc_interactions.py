"""Neutrino interactions on argon: which particles leave the vertex, and with what energy.

A toy with the kinematics that tell flavours apart. The lepton takes the energy (1 - y) E at the angle that x, y demand; the
hadrons recoil against it, so that the transverse momenta balance; a τ needs 3.5 GeV, decays at once, and its neutrinos
carry momentum away, so that they no longer do. In neutral currents the whole lepton is missing. Energies in GeV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.simulators.lartpc_columns import joined
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
    Particles,
    make,
    masses,
)

NUE, NUMU, NUTAU, NC = range(4)
CLASSES = ("cc_nue", "cc_numu", "cc_nutau", "nc")
NUCLEON, TAU, THRESHOLD = 0.939, 1.777, 3.5
BEAM_PEAK, BEAM_WIDTH, BEAM_RANGE = 3.4, 0.5, (0.6, 25.0)
"""Median and logarithmic width of the energies in the beam."""
LEPTON_MASS = {NUE: 0.0005, NUMU: 0.1057, NUTAU: TAU, NC: 0.0}
ANTINEUTRINOS = 0.1
TAU_TO_MUON, TAU_TO_ELECTRON = 0.174, 0.178
TAU_HADRONS: tuple[tuple[float, float, tuple[int, ...]], ...] = (
    (0.167, 0.14, (PION,)), (0.393, 0.77, (PION, PIZERO)), (0.145, 1.2, (PION, PIZERO, PIZERO)),
    (0.150, 1.2, (PION, PION, -PION)), (0.145, 1.35, (PION, PION, -PION, PIZERO)),
)  # fmt: skip
"""Share, mass (GeV) and pions of what a τ+ makes beside its neutrino in its hadronic decays."""
TRANSVERSE = 0.28
"""Width of a hadron's transverse momentum, per axis."""
LONE_PIZERO = 0.06
"""Share of coherent events among the neutral currents."""


@dataclass(frozen=True)
class Interaction:
    """One neutrino and the particles it makes, all with parent 0."""

    flavour: int
    nu_pdg: int
    energy: float
    particles: Particles

    @property
    def is_cc(self) -> bool:
        return self.flavour != NC


def interact(rng: np.random.Generator, flavour: int, vertex: Array) -> Interaction:
    """An interaction of a class (NUE, NUMU, NUTAU or NC) at a point (3,)."""
    sign = -1 if rng.random() < ANTINEUTRINOS else 1
    energy = _beam_energy(rng, flavour)
    lepton, transfer = _scatter(rng, energy, LEPTON_MASS[flavour])
    if flavour == NC and rng.random() < LONE_PIZERO:
        made = [_shared(rng, transfer[None, :], _energy(transfer, 0.0), np.array([PIZERO]), vertex)]
    else:
        made = [_hadrons(rng, transfer, energy - _energy(lepton, LEPTON_MASS[flavour]), vertex)]
    if flavour in (NUE, NUMU):
        made.append(_lepton((ELECTRON, MUON)[flavour] * sign, lepton, vertex))
    elif flavour == NUTAU:
        made.append(_tau_decay(rng, lepton, sign, vertex))
    species = rng.choice((12, 14)) if flavour == NC else (12, 14, 16)[flavour]
    return Interaction(flavour, int(species * sign), energy, joined(made))


def _beam_energy(rng: np.random.Generator, flavour: int) -> float:
    """A neutrino of the beam; for τ weighted by the phase space above their threshold."""
    energies = np.clip(BEAM_PEAK * np.exp(BEAM_WIDTH * rng.standard_normal(64)), *BEAM_RANGE)
    if flavour != NUTAU:
        return float(energies[0])
    weight = np.clip(1 - THRESHOLD / energies, 1e-9, 1) ** 1.5
    return float(max(rng.choice(energies, p=weight / weight.sum()), THRESHOLD + 0.1))


def _scatter(rng: np.random.Generator, energy: float, mass: float) -> tuple[Array, Array]:
    """Momenta (3,) of the lepton, and of the hadrons; the beam runs along z."""
    inelasticity, x = rng.beta(1.3, 2.2), rng.beta(1.2, 2.6)
    out = mass + (energy - mass - 0.1) * (1 - inelasticity)
    momentum = np.sqrt(max(out**2 - mass**2, 1e-4))
    q2 = 2 * NUCLEON * (energy - out) * x
    cos = np.clip((2 * energy * out - q2 - mass**2) / (2 * energy * momentum), -1, 1)
    phi, sin = rng.uniform(0, 2 * np.pi), np.sqrt(1 - cos**2)
    lepton = momentum * np.array([sin * np.cos(phi), sin * np.sin(phi), cos])
    return lepton, np.array([0, 0, energy]) - lepton


def _energy(momentum: Array, mass: float) -> float:
    return float(np.sqrt(momentum @ momentum + mass**2))


def _hadrons(rng: np.random.Generator, transfer: Array, energy: float, vertex: Array) -> Particles:
    """Nucleons, pions and a rare kaon that share the energy transferred, and photons of the nucleus they leave."""
    pions = rng.poisson(0.15 + 1.3 * max(np.log(energy / 0.35), 0))
    kinds = [rng.choice([PIZERO, PION, -PION], pions, p=(0.34, 0.36, 0.3))]
    kinds.append(np.full(int(rng.random() < 0.04 * max(energy - 1.5, 0)), KAON))
    kinds.append(np.repeat([PROTON, NEUTRON], [1 + rng.poisson(0.7), rng.poisson(0.9)]))
    hadrons = _shared(rng, transfer[None, :], 0.9 * energy, np.concatenate(kinds), vertex)
    photons = rng.poisson(1.0)
    aside = rng.standard_normal((photons, 3))
    return joined([hadrons, make(GAMMA, 0, vertex, aside, rng.uniform(1.0, 6.0, photons), "primary")])


def _shared(rng: np.random.Generator, along: Array, energy: float, pdg: Ints, vertex: Array) -> Particles:
    """Hadrons that share an energy, about a direction (1, 3)."""
    mass = masses(pdg) / 1000
    nucleon = mass > 0.9
    share = rng.exponential(np.where(nucleon, 0.35, 1.0))
    kinetic = share / share.sum() * max(energy - mass[~nucleon].sum(), 0.05)
    momentum = np.sqrt(kinetic * (kinetic + 2 * mass))[:, None] * along / np.linalg.norm(along)
    wide = min(TRANSVERSE, energy) if len(pdg) > 1 else 0.02
    return make(pdg, 0, vertex, momentum + wide * rng.standard_normal(momentum.shape), 1000 * kinetic, "primary")


def _lepton(pdg: int, momentum: Array, vertex: Array) -> Particles:
    kinetic = 1000 * _energy(momentum, MASSES[abs(pdg)] / 1000) - MASSES[abs(pdg)]
    return make(pdg, 0, vertex, momentum[None, :], kinetic, "primary")


def _tau_decay(rng: np.random.Generator, tau: Array, sign: int, vertex: Array) -> Particles:
    """The visible daughters of a τ of a momentum (3,); `sign` is 1 for a τ-."""
    mode = rng.random()
    if mode < TAU_TO_MUON + TAU_TO_ELECTRON:
        kind = MUON if mode < TAU_TO_MUON else ELECTRON
        momentum = TAU / 2 * np.sqrt(rng.random())  # two neutrinos: soft, isotropic
        return _lepton(sign * kind, _boosted(rng, tau, momentum, MASSES[kind] / 1000), vertex)
    which = rng.choice(len(TAU_HADRONS), p=[share for share, _, _ in TAU_HADRONS])
    _, mass, pions = TAU_HADRONS[which]
    system = _boosted(rng, tau, (TAU**2 - mass**2) / (2 * TAU), mass)
    pdg = np.array([code if code == PIZERO else -sign * code for code in pions])
    return _shared(rng, system[None, :], _energy(system, mass), pdg, vertex)


def _boosted(rng: np.random.Generator, tau: Array, momentum: float, mass: float) -> Array:
    """A daughter that leaves the τ's rest frame in any direction, as seen in the laboratory."""
    aside = rng.standard_normal(3)
    aside *= momentum / np.linalg.norm(aside)
    energy, at_rest = _energy(tau, TAU), _energy(aside, mass)
    return aside + tau / TAU * (aside @ tau / (energy + TAU) + at_rest)
