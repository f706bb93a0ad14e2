"""Writes toy events of the NOvA near detector in the experiment's own HDF5 schema.

One group per branch (`rec.mc.nu`), one dataset (n, 1) per variable, gzip-6, chunks of 128 rows, and the index columns
run, subrun, cycle, evt, subevt in every group. Tables have different numbers of rows in different orders: only some
72 % of the interactions have a pixel map, some slices lack a vertex, a prong or a track, others have several.

Calibrated on 5,000 events a domain at the natural class mix: of GENIE's ordinary events 27 % have fewer than 30 hits, 29 %
30 to 53, 22 % 53 to 77 (the study: 27-36, 28, 12-15 %), and 48 % have less than 0.53 GeV of visible energy, 38 % up to 1.06
GeV (42-51, 27-32 %); 26 % of GiBUU's events are hot, with 240 hits and 3.7 GeV on average (220, 4), 16 % of them νμ (16 %).
Boosted trees on seven sums of the pictures tell the domains apart in 71 % of the events.

The domain `detector` is the real one: neither generator is right (nature is half-way between them), the scintillator answers
otherwise than simulated, and the files have no truth. That lies in files of its own, for the last evaluation only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from src.simulators.nova_detector import (
    CELL,
    DEPTH,
    PLANES,
    Hits,
    Response,
    digitise,
    exit_distance,
    pixel_maps,
    propagate,
    response,
)
from src.simulators.nova_events import (
    COH,
    DIS,
    ELECTRON,
    MEC,
    MUON,
    NC,
    NEUTRON,
    NUE,
    NUMU,
    PHOTON,
    PION,
    PROTON,
    QE,
    RES,
    Array,
    Events,
    Generator,
    Ints,
    Particles,
    draw_events,
    generator,
    primaries,
)  # fmt: skip

DOMAINS = {
    "genie": "neardet_genie_nonswap_toy_{:03d}.h5", "gibuu": "neardet_gibuu_nonswap_toy_{:03d}.h5",
    "detector": "neardet_data_toy_{:03d}.h5",
}  # fmt: skip
TRUTH_SUFFIX = ".truth.h5"
"""In place of .h5: the truth of a file that has none."""
EVENT_LIST = "gibuu_events.txt"
"""Events with a map, and their corrected weights."""
SEALED = ("rec.mc.nu", "rec.training.trainingdata")
"""Branches that only a simulation has."""
NATURAL_MIX = (0.3219, 0.0312, 0.6469)
"""Shares of NC, νe CC and νμ CC in the study's sample."""
MAPPED = 0.72
"""Share of the interactions that have a pixel map."""
MIN_HITS = 10
EVENTS_A_FILE, BLOCK = 4000, 512
INTERACTION = {QE: 0, MEC: 0, RES: 1, DIS: 2, COH: 3}
"""CVN's interaction type of a νμ; νe add 4, NC are 13."""

Table = dict[str, npt.NDArray[Any]]


def simulate(
    folder: Path,
    domain: str,
    events: int,
    *,
    shift: float = 1.0,
    class_mix: Sequence[float] = NATURAL_MIX,
    seed: int = 0,
    file_events: int = EVENTS_A_FILE,
    progress: Callable[[int], object] = lambda n: None,
) -> list[Path]:
    """Files with so many pixel maps of one domain ('genie', 'gibuu' or 'detector'); the same arguments give the same content.

    `shift` in [0, 1] is how far GiBUU, and the detector, differ from GENIE; `class_mix` are the shares of NC, νe CC and
    νμ CC among the events with a map. A file has `file_events` of them. `progress` is told how many maps were made. With
    GiBUU's files comes a list of events and weights (EVENT_LIST), with the detector's their truth (TRUTH_SUFFIX).
    """
    mix = np.asarray(class_mix, dtype=np.float64) / np.sum(class_mix)
    source, answer = generator(domain, shift, mix), response(shift if domain == "detector" else 0.0)
    paths, listed = [], list[str]()
    for number, size in enumerate(np.diff([*range(0, events, file_events), events])):
        rng = np.random.default_rng([seed, list(DOMAINS).index(domain), number])
        counts = np.floor(mix * size).astype(np.int64)
        counts[np.argsort(mix * size - counts)[::-1][: size - counts.sum()]] += 1
        slices = make_slices(rng, counts, source, answer, progress)
        path = folder / DOMAINS[domain].format(number)
        branches = tables(rng, slices, domain, run=11_000 + 1000 * list(DOMAINS).index(domain) + number)
        if domain == "detector":
            write(path.with_suffix(TRUTH_SUFFIX), {name: branches.pop(name) for name in SEALED})
        if domain == "gibuu":
            listed += _listed(np.random.default_rng([seed, number]), branches)
        write(path, branches)
        paths.append(path)
    if listed:
        (folder / EVENT_LIST).write_text("\n".join(["run subrun cycle evt subevt weight", *listed, ""]))
    return paths


def _listed(rng: np.random.Generator, branches: dict[str, Table]) -> list[str]:
    """A line for each event with a map; corrected weights, nearly all between 1 and 10, more of low visible energy."""
    truth, maps = branches["rec.mc.nu"], branches["rec.training.cvnmaps"]
    key = ("run", "subrun", "cycle", "evt", "subevt")
    energy = dict(zip(zip(*(truth[name].tolist() for name in key), strict=True), truth["visE"].tolist(), strict=True))
    events = list(zip(*(maps[name].tolist() for name in key), strict=True))
    weights = np.exp(rng.normal(1.3, 0.45, len(events)) - 0.15 * np.log1p([energy[event] for event in events]))
    return [" ".join(map(str, (*event, f"{weight:.4f}"))) for event, weight in zip(events, weights, strict=True)]


@dataclass
class Slices:
    """Simulated interactions, one row each; `particles` and `stop` have a row per particle."""

    events: Events
    particles: Particles
    stop: Array
    counts: dict[str, Ints]
    maps: npt.NDArray[np.uint8]
    summary: Table
    """Per interaction: nhit, visible energy (GeV), first and last plane, planes hit."""
    mapped: npt.NDArray[np.bool_]


def make_slices(
    rng: np.random.Generator, wanted: Ints, source: Generator, answer: Response, progress: Callable[[int], object]
) -> Slices:
    """As many visible interactions of each class as wanted, and about 39 % more that have no map."""
    blocks: list[Slices] = []
    left = wanted.copy()
    while left.sum():
        label = rng.permutation(
            np.repeat(np.arange(3), np.minimum(left, np.ceil(left / left.sum() * BLOCK).astype(np.int64)))
        )
        block = _block(rng, label, source, answer)
        left -= np.bincount(label[block.mapped], minlength=3)
        progress(int(block.mapped.sum()))
        blocks.append(block)
    mapped = np.concatenate([b.mapped for b in blocks])
    missing = int(mapped.sum() / MAPPED) - len(mapped)
    if missing > 0:
        extra = _block(rng, rng.choice(3, missing, p=wanted / wanted.sum()), source, answer)
        extra.mapped[:] = False
        blocks.append(extra)
    return _joined(blocks)


def _block(rng: np.random.Generator, label: Ints, source: Generator, answer: Response) -> Slices:
    events = draw_events(rng, label, source)
    particles, counts = primaries(rng, events, source)
    deposits, stop = propagate(rng, particles)
    hits = digitise(rng, deposits, events.vertex, answer)
    summary = _summary(hits, len(label))
    mapped = summary["nhit"] >= MIN_HITS
    return Slices(events, particles, stop, counts, pixel_maps(hits, len(label)), summary, mapped)


def _summary(hits: Hits, n: int) -> Table:
    first, last = np.full(n, PLANES), np.full(n, -1)
    np.minimum.at(first, hits.event, hits.plane)
    np.maximum.at(last, hits.event, hits.plane)
    planes = np.bincount(np.unique(hits.event * PLANES + hits.plane) // PLANES, minlength=n)
    energy = np.bincount(hits.event, hits.energy, n) / 1000
    return {
        "nhit": np.bincount(hits.event, minlength=n),
        "energy": energy,
        "first": first,
        "last": last,
        "planes": planes,
    }


def _joined(blocks: list[Slices]) -> Slices:
    offset = np.cumsum([0, *(len(b.events) for b in blocks)])
    for block, start in zip(blocks, offset[:-1], strict=True):
        block.particles.event = block.particles.event + start
    events = Events(
        *(np.concatenate([getattr(b.events, name) for b in blocks]) for name in Events.__dataclass_fields__)
    )

    def merged(which: str) -> Table:
        return {name: np.concatenate([getattr(b, which)[name] for b in blocks]) for name in getattr(blocks[0], which)}

    return Slices(
        events,
        Particles.concatenate([b.particles for b in blocks]),
        np.concatenate([b.stop for b in blocks]),
        merged("counts"),
        np.concatenate([b.maps for b in blocks]),
        merged("summary"),
        np.concatenate([b.mapped for b in blocks]),
    )


def tables(rng: np.random.Generator, slices: Slices, domain: str, run: int) -> dict[str, Table]:
    """All branches of a file, rows in a random order of their own."""
    n = len(slices.events)
    order = rng.permutation(n)  # several slices share an evt, and the same evt comes back in every subrun
    spill, subevt = order // 4, order % 4 + 1
    key: Table = {
        "run": np.full(n, run, np.uint32), "subrun": (spill // 10).astype(np.uint32), "cycle": np.zeros(n, np.int32),
        "evt": (spill % 10 + 1).astype(np.uint32), "subevt": subevt.astype(np.uint16),
    }  # fmt: skip
    branches: dict[str, tuple[Ints, Table]] = {"rec.mc.nu": (np.arange(n), _truth(rng, slices, domain))}
    mapped = np.flatnonzero(slices.mapped)
    branches["rec.training.cvnmaps"] = (mapped, {"cvnmap": slices.maps[mapped].reshape(len(mapped), -1)})
    branches["rec.training.trainingdata"] = (mapped, _training(slices, mapped))
    branches |= _reconstruction(rng, slices)
    shuffled: dict[str, Table] = {}
    for name, (row, columns) in branches.items():
        place = rng.permutation(len(row))
        shuffled[name] = {column: values[row[place]] for column, values in key.items()} | {
            column: values[place] for column, values in columns.items()
        }
    spills, first = np.unique(spill, return_index=True)
    shuffled["spill"] = {name: key[name][first] for name in ("run", "subrun", "evt")} | {
        "spillpot": np.full(len(spills), 4e13)
    }
    return shuffled


def _truth(rng: np.random.Generator, slices: Slices, domain: str) -> Table:
    """The columns of rec.mc.nu; what a toy cannot know is 0."""
    e, n = slices.events, len(slices.events)
    pdg = np.where(e.label == NUE, 12, np.where(e.label == NUMU, 14, np.where(rng.random(n) < 0.05, 12, 14)))
    w2 = 0.939**2 + 2 * 0.939 * e.energy * e.inelasticity - e.q2
    weight = 10 ** np.clip(rng.normal(0.4, 1.0, n), -3, 4) if domain == "gibuu" else np.ones(n)
    momentum = e.energy[:, None] * np.array([0.0, 0.0, 1.0])
    floats: Table = {
        "E": e.energy, "L": np.full(n, 1.0), "W2": w2, "eff": np.ones(n), "genweight": weight, "p.E": e.energy,
        "p.px": momentum[:, 0], "p.py": momentum[:, 1], "p.pz": momentum[:, 2], "pur": np.ones(n), "q2": e.q2,
        "time": rng.uniform(218_000, 228_000, n), "visE": slices.summary["energy"], "visEinslc": slices.summary["energy"],
        "vtx.x": e.vertex[:, 0], "vtx.y": e.vertex[:, 1], "vtx.z": e.vertex[:, 2], "xsec": e.energy * 0.7,
        "x": e.q2 / np.maximum(2 * 0.939 * e.energy * e.inelasticity, 1e-6), "y": e.inelasticity,
        **{name: np.zeros(n) for name in ("visEBirks", "visENeutron", "visENeutronBirks", "visEinslcBirks",
                                          "visEinslcNeutron", "visEinslcNeutronBirks", "woscdumb")},
    }  # fmt: skip
    unsigned: Table = {
        "nhitslc": slices.summary["nhit"],
        "nhittot": slices.summary["nhit"],
        "rec.mc.nu_idx": np.zeros(n),
        **slices.counts,
    }
    shorts: Table = {"generator": np.full(n, {"genie": 2, "gibuu": 5, "detector": 0}[domain]), "iscc": e.label != NC, "ischarm": np.zeros(n),
              "isseaquark": np.zeros(n), "isvtxcont": np.ones(n)}  # fmt: skip
    signed: Table = {"hitnuc": np.full(n, 2112), "inttype": 1000 + e.mode, "mode": e.mode, "resnum": np.zeros(n),
              "tgtA": np.full(n, 12), "tgtZ": np.full(n, 6)}  # fmt: skip
    return (
        {name: np.asarray(v, np.float32) for name, v in floats.items()}
        | {name: np.asarray(v, np.uint32) for name, v in unsigned.items()}
        | {name: np.asarray(v, np.uint16) for name, v in shorts.items()}
        | {name: np.asarray(v, np.int32) for name, v in signed.items()}
        | {name: pdg.astype(np.int16) for name in ("pdg", "pdgorig")}
    )


def _training(slices: Slices, rows: Ints) -> Table:
    events = slices.events
    base = np.array([INTERACTION.get(mode, 0) for mode in range(11)])[events.mode]
    interaction = np.where(events.label == NC, 13, np.where(events.label == NUE, base + 4, base))
    return {"interaction": interaction[rows].astype(np.int32), "nuenergy": events.energy[rows].astype(np.float32)}


def _reconstruction(rng: np.random.Generator, slices: Slices) -> dict[str, tuple[Ints, Table]]:
    """What the event selections read: vertices, prongs, tracks, containment, energies."""
    n, p = len(slices.events), slices.particles
    s: Table = {name: np.asarray(column, np.float64) for name, column in slices.summary.items()}
    length = np.linalg.norm(slices.stop - p.start, axis=1)
    vertex = np.flatnonzero((s["nhit"] >= 5) & (rng.random(n) < 0.96))
    has_vertex = np.isin(np.arange(n), vertex)
    prong = np.flatnonzero(
        (p.species != NEUTRON) & (p.kinetic > 0.06) & has_vertex[p.event] & (rng.random(len(p)) < 0.9)
    )
    track = np.flatnonzero(np.isin(p.species, (MUON, PION, PROTON)) & (length > 20) & (rng.random(len(p)) < 0.92))
    ntracks = np.bincount(p.event[track], minlength=n)
    longest = np.full(n, -1)
    by_length = track[np.argsort(length[track])]
    longest[p.event[by_length]] = by_length
    at, found = np.maximum(longest, 0), longest >= 0
    muon_like = np.where(found, 1 / (1 + np.exp(-(length[at] - 180 + rng.normal(0, 60, n)) / 45)), 0)
    energy = np.where(
        found,
        0.105 + 0.0021 * length[at] * rng.normal(1, 0.05, n) + 1.4 * np.maximum(s["energy"] - 0.0017 * length[at], 0),
        0,
    )
    every = np.arange(n)
    contain: Table = {
        "nplanestofront": s["first"], "nplanestoback": PLANES - 1 - s["last"],
        "kalyposattrans": _at_depth(p, slices.stop, at, DEPTH)[:, 1],
        "kalfwdcellnd": np.where(found, exit_distance(slices.stop[at], p.direction[at]) / CELL, 0),
        "kalbakcellnd": np.where(found, exit_distance(p.start[at], -p.direction[at]) / CELL, 0),
    }  # fmt: skip
    slc: Table = {
        "nhit": s["nhit"],
        "ncontplanes": s["planes"],
        "firstplane": s["first"],
        "lastplane": np.maximum(s["last"], 0),
        "calE": s["energy"],
    }
    kalman: Table = {"ntracks": ntracks, "idxremid": _position(p.event[track], track, longest)}
    integer = np.int32
    return {
        "rec.slc": (every, _typed(slc, integer, float_names={"calE"})),
        "rec.sel.contain": (every, _typed(contain, integer, float_names={"kalyposattrans"})),
        "rec.sel.remid": (every, {"pid": muon_like.astype(np.float32)}),
        "rec.energy.numu": (every, {"trkccE": energy.astype(np.float32)}),
        "rec.energy.nue": (every, {"E": (1.4 * s["energy"]).astype(np.float32)}),
        "rec.trk.cosmic": (every, {"ntracks": ntracks.astype(np.uint32)}),
        "rec.trk.kalman": (every, _typed(kalman, np.uint32)),
        "rec.trk.kalman.tracks": (p.event[track], _ends(p, slices.stop, track) | {
            "len": length[track].astype(np.float32), "rec.trk.kalman.tracks_idx": _index(p.event[track])}),
        "rec.vtx.elastic": (vertex, {f"vtx.{axis}": (slices.events.vertex[vertex, i] + rng.normal(0, 3, len(vertex))).astype(np.float32)
                                     for i, axis in enumerate("xyz")} | {"rec.vtx.elastic_idx": np.zeros(len(vertex), np.uint32)}),
        "rec.vtx.elastic.fuzzyk": (vertex, {"npng": np.bincount(p.event[prong], minlength=n)[vertex].astype(np.uint32),
                                            "rec.vtx.elastic_idx": np.zeros(len(vertex), np.uint32)}),
        **{name: (p.event[prong], _prongs(p, slices.stop, prong, length))
           for name in ("rec.vtx.elastic.fuzzyk.png", "rec.vtx.elastic.fuzzyk.png.shwlid")},
    }  # fmt: skip


def _typed(columns: Table, dtype: type, float_names: Collection[str] = ()) -> Table:
    return {name: np.asarray(v).astype(np.float32 if name in float_names else dtype) for name, v in columns.items()}


def _ends(p: Particles, stop: Array, rows: Ints) -> Table:
    points = {"start": p.start[rows], "stop": stop[rows]}
    return {
        f"{name}.{axis}": xyz[:, i].astype(np.float32) for name, xyz in points.items() for i, axis in enumerate("xyz")
    }


def _prongs(p: Particles, stop: Array, rows: Ints, length: Array) -> Table:
    none = np.zeros(len(rows), np.uint32)
    shower = np.isin(p.species[rows], (ELECTRON, PHOTON)).astype(np.float32)
    return _ends(p, stop, rows) | {
        "len": length[rows].astype(np.float32), "shower": shower, "rec.vtx.elastic_idx": none,
        "rec.vtx.elastic.fuzzyk.png_idx": _index(p.event[rows]),
    }  # fmt: skip


def _index(event: Ints) -> npt.NDArray[np.uint32]:
    """0, 1, 2, ... within each event, in the order of the rows."""
    order = np.argsort(event, kind="stable")
    starts = np.flatnonzero(np.diff(event[order], prepend=-1))
    within = np.arange(len(event)) - np.repeat(starts, np.diff([*starts, len(event)]))
    index = np.empty(len(event), np.uint32)
    index[order] = within
    return index


def _position(event: Ints, rows: Ints, wanted: Ints) -> Ints:
    """Which of an event's rows is the wanted particle; 999 where there is none."""
    found = np.full(len(wanted), 999)
    hit = rows == wanted[event]
    found[event[hit]] = _index(event)[hit]
    return found


def _at_depth(p: Particles, stop: Array, rows: Ints, z: float) -> Array:
    """Where the particles' straight lines cross a depth, or their ends if they stop before."""
    direction = stop[rows] - p.start[rows]
    share = (z - p.start[rows, 2]) / np.where(np.abs(direction[:, 2]) < 1e-6, 1e-6, direction[:, 2])
    return p.start[rows] + np.clip(share, 0, 1)[:, None] * direction


def write(path: Path, branches: dict[str, Table]) -> None:
    """One file, complete or not there."""
    partial = path.with_suffix(".part")
    with h5py.File(partial, "w", track_order=False) as file:
        for name, columns in branches.items():
            group = file.create_group(name)
            for column, values in columns.items():
                data = values[:, None] if values.ndim == 1 else values
                chunks = (min(128, max(len(data), 1)), data.shape[1])
                group.create_dataset(column, data=data, chunks=chunks, compression="gzip", compression_opts=6)
    partial.rename(path)
