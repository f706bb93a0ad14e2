"""Neutrino interactions in the NOvA near detector, reduced to what a picture shows: which particles leave the vertex.

A toy with the qualitative physics of the event generators: quasi-elastic, two-nucleon, resonant, deep inelastic and
coherent interactions of νμ, νe (charged current) and any flavour (neutral current) at the 2 GeV of the beam, followed by
a one-step cascade (pion absorption, charge exchange, knocked-out neutrons). Energies in GeV, lengths in cm; the beam
runs along z. The `Generator` is what differs between GENIE and GiBUU.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NC, NUE, NUMU = 0, 1, 2
QE, RES, DIS, COH, MEC = 0, 1, 2, 3, 10
MUON, ELECTRON, PHOTON, PION, PROTON, NEUTRON = range(6)
NUCLEON_MASS, PION_MASS = 0.939, 0.138
MODES = np.array([QE, MEC, RES, DIS, COH])
LOW_ENERGY_MIX, HIGH_ENERGY_MIX = np.array([0.42, 0.12, 0.3, 0.13, 0.03]), np.array([0.16, 0.06, 0.26, 0.5, 0.02])
INELASTICITY = {QE: (1.4, 6.0), MEC: (2.0, 6.0), RES: (2.8, 4.6), DIS: (3.0, 2.6), COH: (1.6, 4.0)}
"""Beta distribution of the share of the neutrino's energy that does not go to the lepton."""
HALF_WIDTH, FRONT, BACK = 180.0, 10.0, 1150.0
"""Vertices are uniform in |x|, |y| < HALF_WIDTH and FRONT < z < BACK."""


@dataclass(frozen=True)
class Generator:
    """The knobs in which two event generators differ."""

    hadron_energy: float = 1.0
    """Share of the energy that the hadrons of an ordinary event keep on their way out of the nucleus."""
    pion_absorption: float = 0.12
    knocked_out: float = 0.0
    """Mean number of further nucleons that rescattering sends out, at the expense of the others' energy."""
    hot: tuple[float, float, float] = (0.015, 0.015, 0.004)
    """Probability per class (NC, νe, νμ) of a high-energy, high-multiplicity hadronic system."""


def generator(name: str, shift: float, class_mix: Array) -> Generator:
    """`genie`, or `gibuu` at a strength of `shift` in [0, 1]; at 0 the two are identical. `detector`: nature, half-way.

    At 1, 26 % of GiBUU's events are hot whatever the class mix (16 % of these are νμ); in the others rescattering costs
    hadronic energy and pions, and sends out more, softer nucleons.
    """
    genie = Generator()
    shift = shift / 2 if name == "detector" else shift
    if name == "genie" or shift == 0:
        return genie
    rest = max(class_mix[NC] + class_mix[NUE], 1e-9)
    hot = 0.26 * np.array([0.84 / rest, 0.84 / rest, 0.16 / max(class_mix[NUMU], 1e-9)]).clip(max=3.5)
    mixed = (1 - shift) * np.array(genie.hot) + shift * hot
    return Generator(
        1 - 0.4 * shift, 0.12 + 0.3 * shift, 6.0 * shift, (float(mixed[0]), float(mixed[1]), float(mixed[2]))
    )


@dataclass
class Events:
    """One row per interaction; arrays (n,) or (n, 3)."""

    label: Ints
    hot: npt.NDArray[np.bool_]
    mode: Ints
    energy: Array
    inelasticity: Array
    q2: Array
    vertex: Array
    lepton: Array
    """Momentum of the outgoing lepton."""

    def __len__(self) -> int:
        return len(self.label)


@dataclass
class Particles:
    """One row per particle that leaves a point; `kinetic` in GeV, directions are unit vectors."""

    event: Ints
    species: Ints
    start: Array
    direction: Array
    kinetic: Array

    def __len__(self) -> int:
        return len(self.event)

    def select(self, which: npt.NDArray[np.bool_]) -> Particles:
        return Particles(*(getattr(self, f.name)[which] for f in fields(self)))

    @staticmethod
    def concatenate(parts: list[Particles]) -> Particles:
        return Particles(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Particles)))


def unit(vectors: Array) -> Array:
    """Vectors (n, 3) at length one."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return vectors / np.maximum(length, 1e-12)[:, None]


def draw_events(rng: np.random.Generator, label: Ints, source: Generator) -> Events:
    """Kinematics of one interaction per label."""
    n = len(label)
    hot = rng.random(n) < np.array(source.hot)[label]
    energy = np.clip(
        np.where(rng.random(n) < 0.9, rng.lognormal(0.05, 0.42, n), 2.5 + rng.exponential(3.0, n)), 0.5, 25
    )
    high = (energy > 3.5)[:, None]
    mix = np.cumsum(np.where(high, HIGH_ENERGY_MIX, LOW_ENERGY_MIX), axis=1)
    mode = MODES[(rng.random(n)[:, None] > mix[:, :-1]).sum(axis=1)]
    mode[hot] = DIS
    a, b = np.array([INELASTICITY.get(m, (1.0, 1.0)) for m in range(11)]).T
    y = rng.beta(a[mode], b[mode])
    y = np.where(label == NC, 1 - (1 - y) ** 1.8, y)
    hadronic = np.clip(rng.lognormal(2.1, 0.38, n), 2.0, 20)
    energy = np.where(hot, np.clip(hadronic + energy * (1 - y), None, 25), energy)
    y = np.where(hot, np.clip(hadronic / energy, 0.05, 0.95), y)
    bjorken = np.where(mode == DIS, rng.beta(1.5, 3.5, n), np.where(mode == COH, 0.02, rng.beta(6, 2, n)))
    out = energy * (1 - y)
    q2 = np.minimum(2 * NUCLEON_MASS * energy * y * bjorken, 3.4 * energy * out)
    cos = 1 - q2 / (2 * energy * out)
    sin, phi = np.sqrt(np.clip(1 - cos**2, 0, 1)), rng.uniform(0, 2 * np.pi, n)
    lepton = out[:, None] * np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=1)
    vertex = rng.uniform([-HALF_WIDTH, -HALF_WIDTH, FRONT], [HALF_WIDTH, HALF_WIDTH, BACK], (n, 3))
    return Events(label, hot, mode, energy, y, q2, vertex, lepton)


def primaries(rng: np.random.Generator, events: Events, source: Generator) -> tuple[Particles, dict[str, Ints]]:
    """What leaves the nucleus, and the counts of nucleons and pions of each event."""
    counts = _multiplicities(rng, events, source)
    n = len(events)
    kinds = {"nproton": PROTON, "nneutron": NEUTRON, "npiplus": PION, "npiminus": PION, "npizero": -1}
    event = np.concatenate([np.repeat(np.arange(n), counts[name]) for name in kinds])
    species = np.concatenate([np.full(counts[name].sum(), kind) for name, kind in kinds.items()])
    share = rng.exponential(np.where((species == PROTON) | (species == NEUTRON), 0.55, 1.0))
    share /= np.maximum(np.bincount(event, share, n), 1e-9)[event]
    available = events.energy * events.inelasticity * np.where(events.hot, 1, source.hadron_energy)
    kinetic = share * np.maximum(available - PION_MASS * (counts["npiplus"] + counts["npiminus"]), 0.02)[event]
    transfer = np.stack([-events.lepton[:, 0], -events.lepton[:, 1], events.energy - events.lepton[:, 2]], axis=1)
    spread = np.minimum(0.45 / (kinetic + 0.25), 1.2)[:, None]
    direction = unit(unit(transfer)[event] + spread * rng.standard_normal((len(event), 3)))
    hadrons = Particles(event, species, events.vertex[event], direction, kinetic)
    pizero = species == -1
    return Particles.concatenate(
        [_leptons(events), hadrons.select(~pizero), photons(rng, hadrons.select(pizero))]
    ), counts


def _leptons(events: Events) -> Particles:
    charged = np.flatnonzero(events.label != NC)
    species = np.where(events.label[charged] == NUMU, MUON, ELECTRON)
    momentum = events.lepton[charged]
    energy = np.linalg.norm(momentum, axis=1)
    return Particles(charged, species, events.vertex[charged], unit(momentum), energy)


def _multiplicities(rng: np.random.Generator, events: Events, source: Generator) -> dict[str, Ints]:
    """Nucleons and pions per event by mode, after absorption of pions (each frees two nucleons)."""
    n, mode = len(events), events.mode
    hadronic = events.energy * events.inelasticity
    dis = 1 + rng.poisson(0.5 + 1.1 * np.log1p(hadronic)) + np.where(events.hot, 1 + rng.poisson(1.5, n), 0)
    pions = np.select([mode == DIS, (mode == RES) | (mode == COH)], [dis, 1], 0)
    nucleons = np.select([mode == COH, (mode == MEC) | (mode == DIS)], [0, 2], 1)
    absorbed = rng.binomial(pions, np.where(mode == COH, 0, source.pion_absorption))
    rescattered = np.where((mode == COH) | events.hot, 0, rng.poisson(source.knocked_out, n))
    pions, nucleons = pions - absorbed, nucleons + 2 * absorbed + rescattered
    protons = rng.binomial(nucleons, np.where(events.label == NC, 0.5, 0.68))
    zero = rng.binomial(pions, np.where((events.label == NC) & (mode == COH), 1.0, 0.36))
    plus = rng.binomial(pions - zero, 0.7)
    found = {"nproton": protons, "nneutron": nucleons - protons, "npizero": zero, "npiplus": plus}
    return {**found, "npiminus": pions - zero - plus}


def photons(rng: np.random.Generator, pizeros: Particles) -> Particles:
    """Both photons of every π0, with the opening angle that its mass and energy demand."""
    energy = pizeros.kinetic + 0.135
    split = rng.uniform(0.02, 0.98, len(pizeros))
    angle = np.minimum(0.135 / (energy * np.sqrt(split * (1 - split))), 1.5)
    aside = unit(np.cross(pizeros.direction, rng.standard_normal((len(pizeros), 3))))
    pair = []
    for part, turn in ((split, (1 - split) * angle), (1 - split, -split * angle)):
        direction = unit(pizeros.direction + np.tan(np.clip(turn, -1.3, 1.3))[:, None] * aside)
        pair.append(Particles(pizeros.event, np.full(len(split), PHOTON), pizeros.start, direction, energy * part))
    return Particles.concatenate(pair)
