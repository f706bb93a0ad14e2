"""When a smoothed loss has risen enough to stop: the emulsion study's rule (Yoshida 2021, equation 1)."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Lt
from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on


@with_config(ConfigDict(extra="forbid"))
class Ewma(TypedDict):
    """An exponentially weighted mean of the monitored loss, and what follows from it."""

    weight: Annotated[float, Ge(0), Lt(1)]
    ratio: Annotated[float, Ge(1)]
    best_by: Literal["smoothed", "raw"]
    debias: bool


def smoothed(before: float, value: float, epoch: int, ewma: Ewma) -> float:
    """S_1 = V_1, S_i = w S_{i-1} + (1 - w) V_i; `before` is S of the epoch before, and the first epoch is 1.

    Debiased, S_i is the mean of V_1 ... V_i with weights w^(i - k) (Kingma 2015, section 3): else the first epoch's is
    1 / (1 - w) times as large, so that S remembers a high first loss for long.
    """
    w = ewma["weight"]
    if epoch == 1:
        return value
    gain = (1 - w) / (1 - w**epoch) if ewma["debias"] else 1 - w
    return before + gain * (value - before)


def exceeds(value: float, lowest: float, ratio: float) -> bool:
    """Whether a value is above `ratio` times the lowest, strictly.

    The margin is counted in the lowest's absolute value, so that below 0 the rule does not stop at once.
    """
    return value > lowest + (ratio - 1) * abs(lowest)
