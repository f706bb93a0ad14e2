"""One seed in, a named independent random stream out.

Every use of randomness names its stream ('data', 'noise', 'model', 'batches', 'augment', ...), so adding a component
shifts nobody else's numbers. Counters (an epoch, say) give one stream per step, so a resumed run needs no saved
generator state to continue exactly.
"""

from __future__ import annotations

import functools
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def stream_seed(seed: int, name: str, *counters: int) -> int:
    """A 63-bit seed that depends on all arguments; distinct names give independent streams."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(name.encode()), *counters])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def numpy_stream(seed: int, name: str, *counters: int) -> np.random.Generator:
    return np.random.default_rng(stream_seed(seed, name, *counters))


def torch_stream(seed: int, name: str, *counters: int, device: str | torch.device = "cpu") -> torch.Generator:
    import torch

    return torch.Generator(device=device).manual_seed(stream_seed(seed, name, *counters))


def seed_torch(seed: int, name: str, *counters: int) -> None:
    """Point torch's global generators (dropout, weight initialisation) at a named stream."""
    import torch

    # torch.manual_seed writes down the stack for every kind of device that is not there, 1 ms a call
    seeded = torch.manual_seed if _accelerated() else torch.default_generator.manual_seed
    seeded(stream_seed(seed, name, *counters))


@functools.cache
def _accelerated() -> bool:
    import torch

    return torch.accelerator.is_available()
