"""RandAugment with the eight operations of the nuclear-emulsion study (Cubuk 2019; Yoshida 2021, section 2.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional as F

from src.augmentations.base import Augmentation
from src.augmentations.flip import Flip
from src.component import Fraction, NonNegativeInt
from src.errors import UserError

OPERATIONS = (
    "rotate", "shear_x", "shear_y", "translate_x", "translate_y", "brightness", "contrast", "sharpness",
)  # fmt: skip
ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y, BRIGHTNESS, CONTRAST, SHARPNESS = range(len(OPERATIONS))
FULL = 30
LUMINANCE = (0.2989, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601), as torchvision has them."""


class RandAugment(Augmentation):
    """`n` operations on each image, drawn with replacement, at strength s = m / 30; in addition random mirror images.

    `profile` says what a strength means:

        torchvision  rotate ±30 s°, shear ±0.3 s, translate ±150/331 s of the side; brightness, contrast, sharpness 1 ± 0.9 s
        ildoonet     of the package that the study cites: translate ±100/224 s of the side (100 of the study's 224 pixels);
                     brightness, contrast and sharpness 0.1 + 1.8 s: m = 15 changes nothing, less darkens, more brightens

    Nearest neighbours, black outside, as both packages do. Images (B, C, H, W) are bytes or floats from 0 to 1; contrast is
    about the mean luminance of 3 channels, else about their mean. Raises UserError for anything but images.
    """

    def __init__(
        self,
        *,
        n: NonNegativeInt = 2,
        m: Annotated[int, Ge(0), Le(FULL)] = 9,
        profile: Literal["torchvision", "ildoonet"] = "torchvision",
        horizontal: Fraction = 0.5,
        vertical: Fraction = 0.0,
    ) -> None:
        self.n, self.m, self.profile = n, m, profile
        self.flip = Flip(horizontal=horizontal, vertical=vertical)

    def __call__(self, x: Any, generator: torch.Generator, labels: Tensor | None = None) -> Any:
        if not isinstance(x, Tensor) or x.ndim != 4:
            raise UserError("augmentation=randaugment varies images; this dataset has none: use augmentation=none")
        size = (self.n, len(x))
        drawn = torch.randint(len(OPERATIONS), size, generator=generator, device=x.device)
        signs = 1 - 2 * torch.randint(2, size, generator=generator, device=x.device)
        middle, swing = (torch.tensor(v, device=x.device)[drawn] for v in self.values(*x.shape[2:]))
        return in_turn(self.flip(x, generator), drawn, middle + signs * swing)

    def values(self, height: int, width: int) -> tuple[list[float], list[float]]:
        """(middle, swing) of each operation's value, which is middle ± swing: degrees, slopes, whole pixels, factors."""
        s = self.m / FULL
        ildoonet = self.profile == "ildoonet"
        most, side = (100, 224) if ildoonet else (150, 331)
        right, down = (self.m * most * size // (FULL * side) for size in (width, height))
        swings = [30 * s, 0.3 * s, 0.3 * s, right, down]
        factor = (0.1 + 1.8 * s, 0.0) if ildoonet else (1.0, 0.9 * s)
        return [0.0] * len(swings) + [factor[0]] * 3, [float(v) for v in swings] + [factor[1]] * 3


def in_turn(images: Tensor, operations: Tensor, values: Tensor) -> Tensor:
    """Images (B, C, H, W) after all of their operations, (n, B), with these values, (n, B)."""
    out = torch.empty_like(images)
    names, sources = operations.tolist(), inverse(operations, values, *images.shape[2:])
    at_once = 1 if images.device.type == "cpu" else max(1, len(images))  # one image stays in a core's cache
    for start in range(0, len(images), at_once):
        some = slice(start, start + at_once)
        part = images[some] if images.is_floating_point() else images[some] / 255
        for drawn, source, value in zip(names, sources, values, strict=True):
            part = applied(part, drawn[some], source[some], value[some])
        out[some] = part if images.is_floating_point() else (part * 255).round_()
    return out


def applied(images: Tensor, drawn: list[int], source: Tensor, value: Tensor) -> Tensor:
    """Each image (B, C, H, W) after its operation, a position in OPERATIONS, with its source or value (B,)."""
    changes = [CHANGES.get(kind, moved) for kind in drawn]
    if len(set(changes)) == 1:
        return changes[0](images, source if changes[0] is moved else value)
    out = torch.empty_like(images)
    for change in dict.fromkeys(changes):
        rows = torch.tensor([i for i, other in enumerate(changes) if other is change], device=images.device)
        out[rows] = change(images[rows], (source if change is moved else value)[rows])
    return out


def inverse(operation: Tensor, value: Tensor, height: int, width: int) -> Tensor:
    """Where every pixel comes from: (x, y), from -1 to 1, is the sum of its column's part and its row's, (..., 2, W + H).

    Shears leave the first row or column where it is. Operations that move nothing have the identity.
    """
    angle, slope_x, slope_y, right, down = ((value * (operation == k))[..., None] for k in range(BRIGHTNESS))
    x, y = (torch.arange(size, device=value.device) - (size - 1) / 2 for size in (width, height))
    cos, sin = torch.deg2rad(angle).cos(), torch.deg2rad(angle).sin()
    of_column = torch.stack([cos * x - right, sin * x + slope_y * (x + width / 2) - down], dim=-2)
    of_row = torch.stack([slope_x * (y + height / 2) - sin * y, cos * y], dim=-2)
    return torch.cat([of_column, of_row], dim=-1) * value.new_tensor([[2 / width], [2 / height]])


def moved(images: Tensor, source: Tensor) -> Tensor:
    """Every pixel from the nearest one to its source, see `inverse`; black from outside."""
    width = images.shape[3]
    grid = (
        source[..., None, :width] + source[..., width:, None]
    )  # x and y in planes, which are faster to write and read
    return F.grid_sample(images, grid.permute(0, 2, 3, 1), mode="nearest", align_corners=False)


def brightened(images: Tensor, factor: Tensor) -> Tensor:
    """Blended with black."""
    return (images * _column(factor)).clamp_(0, 1)


def contrasted(images: Tensor, factor: Tensor) -> Tensor:
    """Blended with the mean luminance of each image."""
    means = images.mean(dim=(2, 3))
    grey = means @ means.new_tensor(LUMINANCE) if images.shape[1] == len(LUMINANCE) else means.mean(dim=1)
    return (images * _column(factor)).add_(_column((1 - factor) * grey)).clamp_(0, 1)


def sharpened(images: Tensor, factor: Tensor) -> Tensor:
    """All but the rim blended with the mean of 3 × 3 pixels, of which the middle one counts 5 times."""
    if min(images.shape[2:]) < 3:
        return images
    sums = images[:, :, :-2] + images[:, :, 1:-1]
    sums += images[:, :, 2:]
    smooth = sums[..., :-2] + sums[..., 1:-1]
    smooth += sums[..., 2:]
    inside = images[:, :, 1:-1, 1:-1]
    smooth.add_(inside, alpha=4).mul_(_column((1 - factor) / 13)).add_(inside * _column(factor)).clamp_(0, 1)
    out = images.clone()
    out[:, :, 1:-1, 1:-1] = smooth
    return out


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


CHANGES = {BRIGHTNESS: brightened, CONTRAST: contrasted, SHARPNESS: sharpened}
"""What is done with the factor; the other operations move pixels."""
