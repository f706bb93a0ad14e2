"""Every example once an epoch, all alike."""

from __future__ import annotations

from src.imbalance_strategies.base import ImbalanceStrategy


class NoBalance(ImbalanceStrategy):
    """Classes keep the share that they have."""

    def __init__(self) -> None:
        pass
