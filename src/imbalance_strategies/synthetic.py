"""Splits that hold new examples behind their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.task import FloatArray, Inputs, IntArray, Split

Floats = npt.NDArray[np.floating[Any]]
PIECE = 1024


@dataclass(frozen=True)
class Mixtures:
    """New examples as mixtures of two of a split's: x_i + u (x_j - x_i), all (m,)."""

    i: IntArray
    j: IntArray
    u: FloatArray

    @classmethod
    def joined(cls, parts: list[Mixtures]) -> Mixtures:
        parts = [cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)), *parts]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("i", "j", "u")))

    def of(self, x: Floats) -> Floats:
        """The mixtures (m, d) of the rows of x (n, d), in its own precision. Raises TypeError for integers, which wrap."""
        if not np.issubdtype(x.dtype, np.floating):
            raise TypeError(f"mixtures are of floats, not {x.dtype}")
        return (x[self.i] + self.u[:, None] * (x[self.j] - x[self.i])).astype(x.dtype)


class WithSynthetic:
    """Inputs, which stay as they are stored, and behind them synthetic examples: floats as the model sees them."""

    def __init__(self, originals: Inputs, synthetic: Tensor) -> None:
        self.originals, self.synthetic = originals, synthetic
        self.kind, self.shape = originals.kind, originals.shape

    def __len__(self) -> int:
        return len(self.originals) + len(self.synthetic)

    @property
    def streams(self) -> bool:
        return self.originals.streams

    def resident(self, device: torch.device) -> WithSynthetic:
        there = self.originals.resident(device)
        return self if there is self.originals else WithSynthetic(there, self.synthetic.to(device))

    def fetch(self, positions: Tensor, device: torch.device) -> Tensor:
        n = len(self.originals)
        new = positions >= n
        if not bool(new.any()):
            return self.originals.fetch(positions, device)
        x = torch.empty(len(positions), *self.shape, device=device)
        made = self.synthetic[(positions[new] - n).to(self.synthetic.device)]
        x[new.to(device)] = made.to(device)
        x[~new.to(device)] = self.originals.fetch(positions[~new], device)
        return x


def flat(split: Split) -> npt.NDArray[np.float32]:
    """The examples of a split as the model sees them, floats, flattened, (n, d)."""
    pieces = torch.from_numpy(split.rows).split(PIECE)
    return torch.cat([split.inputs.fetch(piece, torch.device("cpu")).flatten(1) for piece in pieces]).numpy()


def extended(split: Split, mixtures: Mixtures, x: Floats) -> Split:
    """The split and, behind it, the mixtures of its examples, whose flattened inputs (m, d) are `x`.

    The two parents of a mixture have one label, which is its label and counts as true; all else it has of parent i. Columns
    of `keys` say what is what: is_synthetic, parent_i, parent_j (positions in the split; -1) and u.
    """
    old, new = len(split), len(mixtures.i)
    mark = {
        "is_synthetic": np.repeat([False, True], [old, new]),
        "parent_i": np.concatenate([np.full(old, -1), mixtures.i]),
        "parent_j": np.concatenate([np.full(old, -1), mixtures.j]),
        "u": np.concatenate([np.zeros(old), mixtures.u]),
    }
    both = split.select(np.concatenate([np.arange(old), mixtures.i]))
    inputs = WithSynthetic(split.inputs, torch.from_numpy(np.asarray(x, np.float32)).reshape(new, *split.inputs.shape))
    rows = np.concatenate([split.rows, len(split.inputs) + np.arange(new)])
    clean = np.concatenate([split.clean, both.labels[old:]])
    return replace(both, inputs=inputs, rows=rows, clean=clean, keys={**both.keys, **mark})
