"""Folders of pictures: one sub-folder a class, decoded once into a packed array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.task import IntArray

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def class_folders(folder: Path) -> list[str]:
    """Names of the sub-folders that hold pictures, sorted."""
    if not folder.is_dir():
        return []
    return sorted(sub.name for sub in folder.iterdir() if sub.is_dir() and picture_files(sub))


def picture_files(folder: Path) -> list[Path]:
    """The pictures in a folder and below it, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def labelled_files(folder: Path, names: Sequence[str]) -> tuple[list[Path], IntArray]:
    """All pictures of the class folders, and the position of each one's class in `names`."""
    files = [picture_files(folder / name) for name in names]
    labels = np.repeat(np.arange(len(names)), [len(found) for found in files])
    return [path for found in files for path in found], labels.astype(np.int64)


def decoded(files: Sequence[Path], size: int | None, channels: Literal[1, 3]) -> Iterator[npt.NDArray[np.uint8]]:
    """Bytes (channels, height, width) of each picture; with `size` scaled to a square (bilinear), else all must agree.

    Raises UserError for a file that is not a picture, or of another size than the first.
    """
    from PIL import Image

    first: tuple[int, int] | None = None
    for path in files:
        try:
            with Image.open(path) as image:
                converted = _of_bytes(image).convert("L" if channels == 1 else "RGB")
                if size is not None:
                    converted = converted.resize((size, size), Image.Resampling.BILINEAR)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UserError(f"{path}: not a readable picture ({error})") from None
        first = first or converted.size
        if converted.size != first:
            given = " × ".join(map(str, converted.size))
            raise UserError(f"{path}: is {given} pixels, others are {first[0]} × {first[1]}; set dataset.image_size")
        yield np.asarray(converted, dtype=np.uint8).reshape(*converted.size[::-1], channels).transpose(2, 0, 1)


def _of_bytes(image: Image.Image) -> Image.Image:
    """A picture of 16 bits a pixel as one of 8, which PIL's conversion would cut off at 255; others as they are."""
    from PIL import Image

    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
