"""Draws micrographs of nuclear emulsion as the alpha-decay study has them: crops of 87 µm around vertex-like objects.

Training and validation come from two sheets, the test from a third one that is stained, developed and photographed
differently. Crops are made in chunks, each a function of (seed, part, its number) alone; objects and their measured tracks
do not depend on size and shift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.simulators.emulsion_objects import KINDS, THORIUM, URANIUM, draw_scene
from src.simulators.emulsion_optics import Sheet, micrographs
from src.simulators.emulsion_tracks import measured

PARTS = ("train", "valid", "test")
CROPS = (4000, 1000, 12000)
PREVALENCE = (0.05703, 0.05313, 0.00543)
"""Share of alpha decays in each part, which gives the study's 906 of 15,885, 214 of 4,028 and 255 of 46,948."""
IMAGES, COLUMNS = "images.npy", "columns.npz"

SHEETS = {
    "A": Sheet((196, 186, 150), grain=0.85, fog=0.035, blur=0.62, uneven=0.06, noise=3.0),
    "B": Sheet((184, 180, 160), grain=0.95, fog=0.028, blur=0.70, uneven=0.07, noise=3.5),
    "C": Sheet((150, 158, 140), grain=0.72, fog=0.065, blur=0.95, uneven=0.10, noise=6.0),
}
"""Two of the training and, at full shift, the one of the test."""
CHUNK = 128

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Crops:
    """Pictures (n, 3, size, size) uint8, and what is known of each: columns (n,)."""

    images: npt.NDArray[np.uint8]
    columns: Columns


def simulate(
    folder: Path,
    *,
    crops: Sequence[int] = CROPS,
    prevalence: Sequence[float] = PREVALENCE,
    size: int = 64,
    shift: float = 1.0,
    seed: int = 0,
    progress: Callable[[int], object] = lambda n: None,
) -> None:
    """Write so many crops of each part to images.npy (n, 3, size, size), and columns.npz: label, part, kind, sheet, tracks.

    `shift` is how far the test's sheet is from the training's, 0 (no different) to 1 and beyond. `progress` is told how
    many crops were made. Memory does not grow with their number.
    """
    found: list[Columns] = []
    with (folder / IMAGES).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (sum(crops), 3, size, size)}
        np.lib.format.write_array_header_1_0(file, header)
        for part, (n, share) in enumerate(zip(crops, prevalence, strict=True)):
            for made in chunks(part, n, share, size=size, shift=shift, seed=seed):
                file.write(made.images.data)
                found.append(made.columns)
                progress(len(made.images))
    np.savez(
        folder / COLUMNS, allow_pickle=False, **{name: np.concatenate([c[name] for c in found]) for name in found[0]}
    )


def chunks(part: int, n: int, prevalence: float, *, size: int, shift: float, seed: int) -> Iterator[Crops]:
    """All crops of a part, in order."""
    for number, start in enumerate(range(0, n, CHUNK)):
        end = min(start + CHUNK, n)
        alphas = _rounded(prevalence * end) - _rounded(prevalence * start)
        yield chunk(part, number, end - start, alphas, size=size, shift=shift, seed=seed)


def _rounded(value: float) -> int:
    return int(value + 0.5)


def chunk(part: int, number: int, n: int, alphas: int, *, size: int, shift: float, seed: int) -> Crops:
    """The crops of one chunk; `alphas` of them, at random, are alpha decays."""
    objects, tracks, light = (np.random.default_rng([seed, part, number, purpose]) for purpose in range(3))
    scene = draw_scene(objects, objects.permutation(n) < alphas)
    a, b = SHEETS["A"], SHEETS["B"]
    of_part = {"A": a, "B": b} if PARTS[part] != "test" else {"C": a.towards(b, 0.5).towards(SHEETS["C"], shift)}
    sheet = light.integers(0, len(of_part), n)
    columns: Columns = {
        "label": np.isin(scene.kind, (URANIUM, THORIUM)).astype(np.int64), "part": np.full(n, part), "kind": np.array(KINDS)[scene.kind],
        "sheet": np.array(list(of_part))[sheet], **measured(tracks, scene),
    }  # fmt: skip
    return Crops(micrographs(light, scene, list(of_part.values()), sheet, size), columns)
