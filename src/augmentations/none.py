"""Examples as they are."""

from __future__ import annotations

from src.augmentations.base import Augmentation


class NoAugmentation(Augmentation):
    """The batch as it is."""

    def __init__(self) -> None:
        pass
