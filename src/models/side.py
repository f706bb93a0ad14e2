"""What a model predicts beside the class: of parts of an example, or a position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class SideScores:
    """Scores of one head for n things (hits, events), and their truth where it is known."""

    kind: Literal["classes", "binary", "position"]
    scores: Tensor
    """(n, C) probabilities, (n,) probability of yes, or (n, 3) cm."""
    truth: Tensor
    """(n,) int64 class or -1: none; (n,) 0 or 1; or (n, 3) cm."""
    graph: Tensor
    """(n,) int64: the example of the batch that each thing is of."""
    names: tuple[str, ...] = ()
    """Of the classes."""
