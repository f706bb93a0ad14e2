"""A study: one question asked of many configurations, each trained with several seeds.

`sweep` and `work` are what the sweeper plugin calls. Both import late: a worker needs no torch, since it trains in
processes of their own.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.studies.worker import Assignment


def sweep(given: dict[str, Any], arguments: list[str], composer: Any) -> int:
    """Run a study from a command; returns the exit status. Mistakes are sentences on stderr, with status 2."""
    from src.studies import driver

    try:
        return driver.sweep(given, arguments, composer)
    finally:
        _leave()


def work(assignment: Assignment, composer: Any, index: int) -> None:
    """What the launcher runs: one worker."""
    from src.studies import worker

    try:
        worker.work(assignment, composer.compose, index)
    finally:
        _leave()


def _leave() -> None:
    """Spare the interpreter its last search for garbage, a second among all the modules of torch and MLflow."""
    gc.freeze()
