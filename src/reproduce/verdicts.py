"""A sentence of a study and what is found here: the words in which the pages say whether it holds."""

from __future__ import annotations

from dataclasses import dataclass

HOLDS, NOT, OPEN, OTHER = "holds", "does not hold", "not decided", "another network"
COMPATIBLE = "compatible"


@dataclass(frozen=True)
class Claim:
    """A sentence of the study, what was found here, and the verdict."""

    text: str
    here: str
    verdict: str
