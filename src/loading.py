"""From a split to batches on the device: by index where the data live there, read ahead where they stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import torch

from src.seeding import numpy_stream
from src.task import HIDDEN, Batch, IntArray, Split

Item = TypeVar("Item")


class Loader:
    """Batches of one split; labels are hidden where the split says that they must not be used."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self.device = device
        self.size = len(split)
        self.inputs = split.inputs.resident(device)
        self.reads_ahead = self.inputs.streams or (device.type != "cpu" and self.inputs is split.inputs)
        self.rows = torch.from_numpy(split.rows)
        visible = np.where(split.labelled, split.labels, HIDDEN)
        self.labels = torch.from_numpy(visible).to(device)
        self.domain = torch.from_numpy(split.domain).to(device)
        weight = split.weight if split.weigh_loss else np.ones(len(split))
        self.weight = torch.from_numpy(weight).float().to(device)

    def batch(self, positions: torch.Tensor) -> Batch:
        """The examples at these positions of the split, (B,) int64 on the CPU."""
        index = positions.to(self.device, non_blocking=True)
        return Batch(
            x=self.inputs.fetch(self.rows[positions], self.device),
            y=self.labels[index],
            domain=self.domain[index],
            weight=self.weight[index],
            index=index,
        )

    def batches(self, order: Iterator[torch.Tensor]) -> Iterator[Batch]:
        made = (self.batch(positions) for positions in order)
        return ahead(made) if self.reads_ahead else made


def chunks(order: IntArray, size: int) -> Iterator[torch.Tensor]:
    """Consecutive pieces of an epoch's order; a single left-over example is dropped (batch norm needs two)."""
    positions = torch.from_numpy(np.ascontiguousarray(order, dtype=np.int64))
    for piece in positions.split(size):
        if len(piece) > 1 or len(positions) == 1:
            yield piece


def num_chunks(length: int, size: int) -> int:
    """How many pieces `chunks` gives."""
    return max(1, length // size + (length % size > 1))


def endless(length: int, sizes: Iterator[int], seed: int, name: str, start: int) -> Iterator[torch.Tensor]:
    """Pieces of an endless sequence of shuffles of range(length), from the start-th element on.

    Each shuffle is a function of (seed, name, its number) alone, so any start is reached without replaying.
    """
    cycle, offset = divmod(start, length)
    shuffled = torch.from_numpy(numpy_stream(seed, name, cycle).permutation(length))[offset:]
    for size in sizes:
        while len(shuffled) < size:
            cycle += 1
            more = torch.from_numpy(numpy_stream(seed, name, cycle).permutation(length))
            shuffled = torch.cat([shuffled, more])
        yield shuffled[:size]
        shuffled = shuffled[size:]


def ahead(items: Iterator[Item], depth: int = 2) -> Iterator[Item]:
    """The same items, made by a thread up to `depth` ahead; its exception is raised here, and it ends with us."""
    made: queue.Queue[tuple[bool, Item | BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[bool, Item | BaseException | None]) -> bool:
        while not stopped.is_set():
            try:
                made.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    threading.Thread(target=produce, daemon=True, name="read-ahead").start()
    try:
        while True:
            more, item = made.get()
            if more:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]
    finally:
        stopped.set()
