"""Every label is right."""

from __future__ import annotations

from src.noise_models.base import NoiseModel


class NoNoise(NoiseModel):
    """Labels stay as they are."""

    def __init__(self) -> None:
        pass
