"""From energy in liquid argon to hits on three planes of wires, and to space points. Lengths in cm, times in ticks.

Charge drifts along x to the planes; those of u and v wires see the chamber at ±35.7 degrees, that of y wires along the
beam. A hit is the charge that reaches one wire in a short time. With `coarse` > 1 that many neighbouring wires are read out
as one: positions stay in units of single wires, so that a picture keeps its size but has fewer hits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from src.simulators.lartpc_columns import chosen, joined
from src.simulators.lartpc_particles import Array, Ints, Mask
from src.simulators.lartpc_tables import Table
from src.simulators.lartpc_tracks import HIGH, LOW, Deposits

PITCH, TICK = 0.3, 0.055
"""Between wires, and drift in a tick; in cm."""
ANGLE = np.deg2rad(35.7)
ACROSS = np.array([[0.0, -np.sin(ANGLE), np.cos(ANGLE)], [0.0, np.sin(ANGLE), np.cos(ANGLE)], [0.0, 0.0, 1.0]])
"""Across the wires of u, v and y."""
OFFSET = np.array([HIGH[1] * np.sin(ANGLE), -LOW[1] * np.sin(ANGLE), 0.0])
GAP, LONGEST = 6.0, 12.0
"""Charge that is further apart on a wire makes two hits; so does charge that comes for longer (ticks)."""
RECOMBINED = 0.0696
"""Birks' constant at 500 V/cm, in cm/MeV."""
GAIN, THRESHOLD = 190.0, 14.0
"""ADC counts per MeV of charge on a wire; smallest hit."""
EFFICIENCY = np.array([0.96, 0.97, 0.99])
WIDTH = 2.2
"""Hits' rms at the wires (ticks)."""
BOARD = 16
"""Neighbouring wires that die together."""


@dataclass(frozen=True)
class Response:
    """How a detector answers to energy; by default the simulated one."""

    attenuation: float = 0.0
    """Charge is lost on its way as exp(-attenuation · drift), in 1/cm: impurities catch electrons."""
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What the charge on a wire of u, v and y is multiplied by."""
    diffusion: float = 3.5
    """What the longest drift adds to a hit's rms, in quadrature (ticks)."""
    noise: float = 0.01
    """Hits that nothing made, as a share of the others."""
    dead: float = 0.0
    """Share of the boards, of BOARD wires each, that see nothing: the same in every event, and among those of a larger share."""

    @classmethod
    def shifted(cls, shift: float) -> Response:
        """Of another detector, which differs the more the larger `shift` is, from 0 on: not at all.

        At 1 electrons live for 3 ms (which drift 1.6 mm in a µs), gains are off by up to 15 %, hits late in the drift are
        wider, there is five times the noise, and 6 % of the boards are dead.
        """
        return cls(
            attenuation=shift / 480,
            gain=(0.85**shift, 0.92**shift, 1.05**shift),
            diffusion=cls.diffusion + 3.0 * shift,
            noise=cls.noise + 0.04 * shift,
            dead=1 - 0.94**shift,
        )

    def charge(self, energy: Array, rate: Array, drift: Array) -> Array:
        """What arrives at the wires, in MeV of energy that did not recombine, all (n,)."""
        arrived: Array = energy / (1 + RECOMBINED * rate) * np.exp(-self.attenuation * drift)
        return arrived

    def alive(self, plane: Any, wire: Ints) -> Mask:
        """Whether wires (n,) of a plane, or of one each, see anything, (n,)."""
        boards: Mask = np.random.default_rng(BOARD).random((3, 1024)) >= self.dead
        return boards[plane, wire // BOARD]


NOMINAL = Response()


@dataclass(frozen=True)
class Hits:
    """Hits of all planes, by plane, wire and time."""

    plane: Ints
    wire: Ints
    time: Array
    integral: Array
    rms: Array

    def __len__(self) -> int:
        return len(self.plane)

    def table(self) -> Table:
        return {
            "hit_id": np.arange(len(self)), "local_plane": self.plane, "local_wire": self.wire,
            "local_time": self.time.astype(np.float32), "integral": self.integral.astype(np.float32),
            "rms": self.rms.astype(np.float32),
        }  # fmt: skip


def seen(position: Array) -> tuple[Array, Array]:
    """Where points (n, 3) appear: wires (n, 3) of u, v and y as real numbers, and ticks (n,)."""
    return (position @ ACROSS.T + OFFSET) / PITCH, position[:, 0] / TICK


def read_out(
    rng: np.random.Generator, deposits: Deposits, coarse: float, response: Response = NOMINAL
) -> tuple[Hits, Ints]:
    """Hits, and which of them each deposit is part of in each plane (n, 3); -1: none."""
    wires, times = seen(deposits.position)
    charge = response.charge(deposits.energy, deposits.rate, deposits.position[:, 0])
    found: list[Hits] = []
    member = np.full((len(times), 3), -1)
    for plane in range(3):
        channel = (wires[:, plane] / coarse).astype(np.int64)
        order = np.lexsort((times, channel))
        number, group = np.zeros(len(times), np.int64), _groups(channel[order], times[order], coarse)
        number[order] = group
        alive = response.alive(plane, wires[:, plane].astype(np.int64))
        hits = _hits(rng, plane, channel, times, charge * alive, number, coarse, response)
        kept = (hits.integral > THRESHOLD) & (rng.random(len(hits)) < EFFICIENCY[plane])
        place = np.where(kept, np.cumsum(kept) - 1 + sum(map(len, found)), -1)
        member[:, plane] = np.where(alive, place[number], -1)
        found.append(chosen(hits, kept))
    return joined(found), member


def _groups(channel: Ints, times: Array, coarse: float) -> Ints:
    """The hit of each deposit; they are sorted by channel and time."""
    new = np.ones(len(times), bool)
    new[1:] = (np.diff(channel) != 0) | (np.diff(times) > GAP * coarse)
    begun = times[np.maximum.accumulate(np.where(new, np.arange(len(times)), 0))]
    part = ((times - begun) / (LONGEST * coarse)).astype(np.int64)
    new[1:] |= np.diff(part) != 0
    return np.cumsum(new) - 1


def _hits(
    rng: np.random.Generator, plane: int, channel: Ints, times: Array, charge: Array, number: Ints, coarse: float,
    response: Response,
) -> Hits:  # fmt: skip
    """Every group as a hit: charge a wire, mean time, and a width that drift and the track's slope give it."""
    n = int(number.max(initial=-1)) + 1
    total = np.maximum(np.bincount(number, charge, n), 1e-6)
    time = np.bincount(number, charge * times, n) / total
    spread = np.bincount(number, charge * (times - time[number]) ** 2, n) / total / coarse**2
    wire = np.zeros(n, np.int64)
    wire[number] = ((channel + 0.5) * coarse).astype(np.int64)
    rms = np.sqrt(WIDTH**2 + response.diffusion**2 * time * TICK / HIGH[0] + spread) * rng.normal(1, 0.06, n)
    gain = GAIN * response.gain[plane]
    integral = gain / coarse * total * rng.normal(1, 0.05, n) + rng.normal(0, 2.0, n)
    return Hits(np.full(n, plane), wire, np.maximum(time + rng.normal(0, 0.4, n), 0), integral, rms)


def with_noise(
    rng: np.random.Generator, hits: Hits, member: Ints, coarse: float, response: Response
) -> tuple[Hits, Ints]:
    """Some small hits more that no particle made, within the picture; all sorted anew by plane, wire and time."""
    count = int(rng.poisson(response.noise * len(hits)))
    if not len(hits):
        return hits, member
    plane = rng.integers(0, 3, count)
    at = rng.integers(0, len(hits), (2, count))
    channel = hits.wire[at[0]] // coarse + np.rint(rng.normal(0, 12, count))
    noise = Hits(
        plane, (np.maximum(channel, 0) * coarse + 0.5 * coarse).astype(np.int64),
        np.clip(hits.time[at[1]] + rng.normal(0, 150, count), 0, HIGH[0] / TICK),
        THRESHOLD + rng.exponential(10.0, count), rng.uniform(1.8, 5.0, count),
    )  # fmt: skip
    both = joined([hits, chosen(noise, response.alive(plane, noise.wire))])
    order = np.lexsort((both.time, both.wire, both.plane))
    place = np.append(np.argsort(order), -1)  # the last for none
    return chosen(both, order), place[member]


def energies(owner: Ints, energy: Array, member: Ints) -> Table:
    """The energy (MeV) that each particle left in each hit."""
    rows, planes = np.nonzero(member >= 0)
    hit, most = member[rows, planes], int(owner.max(initial=0)) + 1
    code, inverse = np.unique(hit * most + owner[rows], return_inverse=True)
    sums = np.bincount(inverse, energy[rows], len(code))
    return {"hit_id": code // most, "g4_id": code % most, "energy": sums.astype(np.float32)}


def space_points(rng: np.random.Generator, deposits: Deposits, hits: Hits, member: Ints, found: float) -> Table:
    """Triplets and pairs of hits that one piece of a track made, a share `found` of them; and pairs that only look so."""
    kept = (member >= 0).sum(axis=1) >= 2
    size = len(hits) + 1
    code = ((member[kept] + 1) * np.array([size * size, size, 1])).sum(axis=1)
    _, which, inverse = np.unique(code, return_index=True, return_inverse=True)
    weight = deposits.energy[kept]
    total = np.maximum(np.bincount(inverse, weight), 1e-9)
    place = np.stack([np.bincount(inverse, weight * x) / total for x in deposits.position[kept].T], axis=1)
    taken = rng.random(len(which)) < found
    wrong, ghosts = _ghosts(rng, hits, rng.poisson(0.03 * taken.sum()))
    of = np.concatenate([member[kept][which][taken], wrong])
    place = np.concatenate([place[taken], ghosts]).astype(np.float32)
    names = {f"hit_id_{plane}": of[:, i] for i, plane in enumerate("uvy")}
    return {"spacepoint_id": np.arange(len(of)), **names, **dict(zip("xyz", place.T, strict=True))}


def _ghosts(rng: np.random.Generator, hits: Hits, count: int) -> tuple[Ints, Array]:
    """Hits of u and v that come at the same time and whose wires cross, though nothing was there; and where that is."""
    u, v = (np.flatnonzero(hits.plane == plane) for plane in (0, 1))
    if not (count and len(u) and len(v)):
        return np.empty((0, 3), np.int64), np.empty((0, 3))
    v = v[np.argsort(hits.time[v])]
    one = rng.choice(u, count)
    near = np.searchsorted(hits.time[v], hits.time[one]) + rng.integers(-2, 3, count)
    two = v[np.clip(near, 0, len(v) - 1)]
    across = np.stack([hits.wire[one], hits.wire[two]], axis=1) * PITCH - OFFSET[:2]
    y, z = np.linalg.solve(ACROSS[:2, 1:], across.T)
    place = np.stack([hits.time[one] * TICK, y, z], axis=1)
    good = ((place > LOW) & (place < HIGH)).all(axis=1) & (np.abs(hits.time[one] - hits.time[two]) < 8)
    return np.stack([one, two, np.full(count, -1)], axis=1)[good], place[good]
