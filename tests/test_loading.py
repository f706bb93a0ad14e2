import itertools
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from src.datasets.inputs import ArrayInputs
from src.loading import Loader, ahead, chunks, endless, num_chunks
from src.task import HIDDEN, Split


def split_of(array, rows):
    n = len(rows)
    labelled = np.arange(n) % 3 != 0
    return Split(
        ArrayInputs(array), np.asarray(rows), np.arange(n) % 2, np.arange(n) % 2, np.arange(n) % 4,
        np.linspace(1, 2, n), labelled,
    )  # fmt: skip


def test_a_batch_holds_the_rows_asked_for_and_hides_labels_that_must_not_be_seen():
    array = np.arange(40, dtype=np.float32).reshape(20, 2)
    split = split_of(array, [3, 5, 7, 11, 13])
    batch = Loader(split, torch.device("cpu")).batch(torch.tensor([4, 0, 2]))
    assert torch.equal(batch.x, torch.from_numpy(array[[13, 3, 7]]))
    assert batch.y.tolist() == [0, HIDDEN, 0]
    assert batch.domain.tolist() == [0, 0, 2]
    assert batch.index.tolist() == [4, 0, 2]


def test_events_are_weighed_in_the_loss_only_where_the_split_says_so():
    split = split_of(np.zeros((20, 2), np.float32), np.arange(5))
    weighed = replace(split, weigh_loss=True)
    for kept in (
        weighed,
        weighed.select(np.arange(5)),
        weighed.select(np.arange(2)).joined(weighed.select(np.arange(2, 5))),
    ):
        batch = Loader(kept, torch.device("cpu")).batch(torch.tensor([4, 0]))
        assert batch.weight.tolist() == [2, 1]
        assert batch.weight.dtype == torch.float32
    assert Loader(split, torch.device("cpu")).batch(torch.tensor([4, 0])).weight.tolist() == [1, 1]


@given(st.integers(1, 300), st.integers(2, 64))
def test_chunks_cover_the_order_once_and_never_hold_a_single_example(length, size):
    pieces = list(chunks(np.random.default_rng(0).permutation(length), size))
    seen = torch.cat(pieces).tolist() if pieces else []
    assert len(seen) == len(set(seen)) >= length - 1
    assert length == 1 or all(len(piece) > 1 for piece in pieces)
    assert len(pieces) == num_chunks(length, size)


@given(st.integers(1, 50), st.integers(0, 200), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_an_endless_sequence_can_be_entered_anywhere(length, start, sizes):
    whole = torch.cat(list(endless(length, iter([start + sum(sizes)]), 0, "target", 0)))
    entered = torch.cat(list(endless(length, iter(sizes), 0, "target", start)))
    assert torch.equal(entered, whole[start:])
    counts = np.bincount(whole.numpy(), minlength=length)
    assert counts.max() - counts.min() <= 1


def test_reading_ahead_keeps_order_and_raises_what_the_producer_raised():
    assert list(ahead(iter(range(100)))) == list(range(100))

    def failing():
        yield 1
        raise OSError("disk gone")

    items = ahead(failing())
    assert next(items) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(items)


def test_reading_ahead_ends_with_its_consumer():
    before = threading.active_count()
    items = ahead(itertools.count())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    items.close()
    deadline = time.time() + 5
    while threading.active_count() > before and time.time() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
