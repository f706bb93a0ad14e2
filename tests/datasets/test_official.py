"""Pictures of another size or with other channels."""

import numpy as np
import pytest
from PIL import Image

from src.datasets.official import reshaped


def bytes_of(*rows):
    return np.array(rows, dtype=np.uint8)[None, None]


def test_larger_pictures_are_interpolated_between_the_centres_of_their_pixels():
    """The nearest pixel would give 0, 0, 100, 100."""
    found = reshaped(bytes_of([0, 100], [100, 200]), 4, None)[0, 0]
    line = np.array([0, 25, 75, 100])
    assert np.array_equal(found, line[:, None] + line)


def test_smaller_pictures_are_means_and_not_samples():
    """Of a fine chessboard every other pixel is all black, or all white."""
    board = 200 * (np.indices((32, 32)).sum(axis=0) % 2)
    assert np.array_equal(reshaped(bytes_of(*board), 8, None)[0, 0, 1:-1, 1:-1], np.full((6, 6), 100))


@pytest.mark.parametrize("size", [20, 32, 45])
def test_bilinear_is_what_pillow_calls_so(size):
    picture = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    theirs, nearest = (
        np.array(Image.fromarray(picture).resize((size, size), kind), dtype=int)
        for kind in (Image.Resampling.BILINEAR, Image.Resampling.NEAREST)
    )
    ours = reshaped(picture[None, None], size, 3)[0].astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - nearest).max() > 50
