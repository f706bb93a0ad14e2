"""Inputs that are rows of one array, in memory or memory-mapped: images and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.task import InputKind

Scale = Literal["none", "unit", "log", "minmax"]
"""none: as stored; unit: x/255; log: log(1+x)/log(256); minmax: each example to [0, 1], empty ones to 0."""

RESIDENT_BYTES = 4 << 30
"""Larger arrays are streamed instead of kept on the device."""


class ArrayInputs:
    """Rows of an array (n, *shape) of uint8 or float32.

    A memory-mapped array stays on disk and is read through the page cache. Integers travel to the device as they are
    and become floats there. `names` are those of a vector's features, if they have any.
    """

    def __init__(
        self,
        array: npt.NDArray[Any] | Tensor,
        scale: Scale = "none",
        kind: InputKind | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.storage = array if isinstance(array, Tensor) else torch.from_numpy(array)
        self.mapped = isinstance(array, np.memmap)
        self.scale, self.names = scale, tuple(names)
        self.shape = tuple(self.storage.shape[1:])
        self.kind: InputKind = kind or ("vector" if len(self.shape) == 1 else "image")

    def __len__(self) -> int:
        return len(self.storage)

    @property
    def streams(self) -> bool:
        return self.mapped

    def resident(self, device: torch.device) -> ArrayInputs:
        if device.type == "cpu" or self.storage.nbytes > RESIDENT_BYTES:
            return self
        return ArrayInputs(self.storage.to(device), self.scale, self.kind, self.names)

    def fetch(self, positions: Tensor, device: torch.device) -> Tensor:
        raw = self.storage.index_select(0, positions.to(self.storage.device))
        return scaled(raw.to(device, non_blocking=True), self.scale)


def scaled(raw: Tensor, scale: Scale) -> Tensor:
    """Floats from stored values, example by example; see `Scale`."""
    x = raw.float()
    if scale == "unit":
        return x.div_(255) if x is not raw else x / 255
    if scale == "log":
        return torch.log1p(x) / np.log(256)
    if scale == "minmax":
        low, high = x.flatten(1).aminmax(dim=1)
        shape = (-1,) + (1,) * (x.ndim - 1)
        span = (high - low).clamp_min(torch.finfo(x.dtype).tiny)
        return (x - low.view(shape)) / span.view(shape)
    return x


def open_packed(path: Path) -> npt.NDArray[Any]:
    """A packed .npy file as a memory map (copy on write, so torch may wrap it; the file is never changed)."""
    return np.load(path, mmap_mode="c", allow_pickle=False)
