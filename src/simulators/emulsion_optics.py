"""A micrograph of nuclear emulsion: silver grains along tracks and in clumps, seen through a lens, in stained gelatine.

Every grain is a point that absorbs; those of one depth of focus are spread by one Gaussian, in Fourier space, so that a
batch of crops costs three transforms, however many tracks it shows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from src.simulators.emulsion_objects import FIELD, GRAINS, REACH, SPREAD, Array, Blobs, Ints, Scene, Tracks

Floats = npt.NDArray[np.float32]

MARGIN = 6.0
"""µm drawn around a crop, so that its edges are blurred as its middle is."""
FOCUS = np.array([3.0, 9.0])
"""|depth| in µm at which the grains of the sharp layer, then of the middle one, end."""
DEFOCUS = np.array([0.0, 0.8, 1.9])
"""What each layer adds to the blur, in µm."""
CLUMP = 5.0
"""Grains per µm² of a clump."""
FLOOR = 0.1
"""Share of the light that comes through solid silver."""
SILVER = np.array([0.95, 1.0, 1.08])
"""Relative absorption of red, green and blue."""
PIXELS = 1 << 20
"""How many are drawn at a time; only memory depends on it."""


@dataclass(frozen=True)
class Sheet:
    """How an emulsion sheet was exposed, developed and photographed."""

    stain: tuple[float, float, float]
    """Mean brightness of the empty emulsion, red, green, blue, 0 to 255."""
    grain: float
    """Absorption of a grain, µm²."""
    fog: float
    """Grains per µm² that belong to no track."""
    blur: float
    """Gaussian of the lens in focus, µm."""
    uneven: float
    """Relative unevenness of the light."""
    noise: float
    """Standard deviation of the camera, grey levels."""

    def towards(self, other: Sheet, share: float) -> Sheet:
        """This sheet at share 0, the other at 1, between them or beyond otherwise."""

        def mixed(mine: float, its: float) -> float:
            return (1 - share) * mine + share * its

        red, green, blue = map(mixed, self.stain, other.stain)
        rest = (mixed(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)[1:])
        return Sheet((red, green, blue), *rest)


def micrographs(
    rng: np.random.Generator, scene: Scene, sheets: list[Sheet], sheet: Ints, size: int
) -> npt.NDArray[np.uint8]:
    """Crops (n, 3, size, size), each as its sheet looks; `sheet` (n,) are positions in `sheets`."""
    looks = {f.name: np.array([getattr(s, f.name) for s in sheets])[sheet] for f in fields(Sheet)}
    n, batch = len(scene.kind), max(1, PIXELS // size**2)
    looks["stain"] = looks["stain"] * rng.normal(1, 0.07, (n, 1)) * rng.normal(1, 0.025, (n, 3))
    looks["grain"] = looks["grain"] * rng.lognormal(0, 0.22, n)
    looks["fog"] = looks["fog"] * rng.lognormal(0, 0.35, n)
    looks["blur"] = looks["blur"] * rng.lognormal(0, 0.18, n)
    grains = Grains.of(rng, scene, looks["fog"])
    parts = []
    for start in range(0, n, batch):
        here = {name: values[start : start + batch] for name, values in looks.items()}
        parts.append(_photographs(rng, grains.between(start, min(start + batch, n)), here, size))
    return np.concatenate(parts)


@dataclass
class Grains:
    """Silver grains, sorted by crop; arrays (n,)."""

    crop: Ints
    x: Array
    y: Array
    layer: Ints

    @staticmethod
    def of(rng: np.random.Generator, scene: Scene, fog: Array) -> Grains:
        parts = [_along(rng, scene.tracks), _inside(rng, scene.blobs), _fog(rng, fog)]
        crop, x, y, depth = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        half = FIELD / 2 + MARGIN
        seen = np.flatnonzero((np.abs(x) < half) & (np.abs(y) < half))
        seen = seen[np.argsort(crop[seen], kind="stable")]
        return Grains(crop[seen], x[seen], y[seen], np.searchsorted(FOCUS, np.abs(depth[seen])))

    def between(self, first: int, end: int) -> Grains:
        """Those of the crops from `first` to before `end`, counted from there."""
        low, high = np.searchsorted(self.crop, [first, end])
        return Grains(self.crop[low:high] - first, self.x[low:high], self.y[low:high], self.layer[low:high])


def _along(rng: np.random.Generator, tracks: Tracks) -> tuple[Ints, Array, Array, Array]:
    """Grains at random along every track."""
    drawn = np.minimum(tracks.length, 2 * REACH)
    row = np.repeat(np.arange(len(tracks)), rng.poisson(GRAINS[tracks.bold] * drawn))
    along = rng.random(len(row)) * drawn[row]
    across = rng.normal(0, SPREAD[tracks.bold[row]]) + 0.5 * tracks.bend[row] * along**2
    cos, sin = np.cos(tracks.angle)[row], np.sin(tracks.angle)[row]
    x, y = tracks.x[row] + along * cos - across * sin, tracks.y[row] + along * sin + across * cos
    return tracks.crop[row], x, y, tracks.depth[row] + tracks.dip[row] * along


def _inside(rng: np.random.Generator, blobs: Blobs) -> tuple[Ints, Array, Array, Array]:
    """Grains all over every disc."""
    row = np.repeat(np.arange(len(blobs.crop)), rng.poisson(CLUMP * np.pi * blobs.radius**2))
    away, angle = blobs.radius[row] * np.sqrt(rng.random(len(row))), rng.uniform(0, 2 * np.pi, len(row))
    x, y = blobs.x[row] + away * np.cos(angle), blobs.y[row] + away * np.sin(angle)
    return blobs.crop[row], x, y, blobs.depth[row]


def _fog(rng: np.random.Generator, density: Array) -> tuple[Ints, Array, Array, Array]:
    side = FIELD + 2 * MARGIN
    crop = np.repeat(np.arange(len(density)), rng.poisson(density * side**2))
    place = rng.uniform(-side / 2, side / 2, (2, len(crop)))
    return crop, place[0], place[1], rng.uniform(-12, 12, len(crop))


def _photographs(rng: np.random.Generator, grains: Grains, looks: dict[str, Array], size: int) -> npt.NDArray[np.uint8]:
    n = len(looks["grain"])
    absorbed = _absorption(grains, looks["grain"], looks["blur"], size)
    light = 1 + _uneven(rng, looks["uneven"], size)
    picture = np.empty((n, 3, size, size), np.float32)
    for channel in range(3):
        through = np.exp(-SILVER[channel].astype(np.float32) * absorbed)
        stain = looks["stain"][:, channel, None, None].astype(np.float32)
        picture[:, channel] = stain * light * (FLOOR + (1 - FLOOR) * through)
    noise = rng.standard_normal(picture.shape, np.float32)
    picture += noise * looks["noise"][:, None, None, None].astype(np.float32)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _absorption(grains: Grains, opacity: Array, blur: Array, size: int) -> Floats:
    """Optical depth (n, size, size): the grains of each layer, spread by the lens and by being out of focus."""
    n, pixel = len(opacity), FIELD / size
    edge = int(np.ceil(MARGIN / pixel))
    side = size + 2 * edge
    layers = _deposited(grains, n, side, pixel)
    frequency = np.fft.fftfreq(side, pixel), np.fft.rfftfreq(side, pixel)
    total = np.zeros((n, side, side // 2 + 1), np.complex64)
    for layer, defocus in enumerate(DEFOCUS):
        width = 2 * np.pi**2 * (blur**2 + defocus**2)[:, None]
        down, along = (np.exp(-width * f**2).astype(np.float32) for f in frequency)
        total += np.fft.rfft2(layers[:, layer]) * down[:, :, None] * along[:, None, :]
    spread = np.fft.irfft2(total, s=(side, side))[:, edge : edge + size, edge : edge + size]
    absorbed: Floats = np.maximum(spread * (opacity / pixel**2)[:, None, None], 0).astype(np.float32)
    return absorbed


def _deposited(grains: Grains, n: int, side: int, pixel: float) -> Floats:
    """How many grains each pixel holds, (n, layers, side, side); a grain is shared by the four pixels around it."""
    layers = len(DEFOCUS)
    column, row = grains.x / pixel + side / 2 - 0.5, grains.y / pixel + side / 2 - 0.5
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    right, down = column - left, row - top
    total = np.zeros(n * layers * side * side)
    place = (grains.crop * layers + grains.layer) * side
    for i, tall in ((0, 1 - down), (1, down)):
        for j, wide in ((0, 1 - right), (1, right)):
            y, x = np.clip(top + i, 0, side - 1), np.clip(left + j, 0, side - 1)
            total += np.bincount((place + y) * side + x, tall * wide, len(total))
    return total.astype(np.float32).reshape(n, layers, side, side)


def _uneven(rng: np.random.Generator, amount: Array, size: int) -> Floats:
    """A smooth relative field (n, size, size) through 4 × 4 random values."""
    knots = rng.normal(0, 1, (len(amount), 4, 4)).astype(np.float32) * amount[:, None, None].astype(np.float32)
    place = (np.arange(size) + 0.5) / size * 3
    hat = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(4))).astype(np.float32)
    smooth = hat * hat * (3 - 2 * hat)  # a cubic step between two knots, without kinks
    field: Floats = smooth @ knots @ smooth.T
    return field
