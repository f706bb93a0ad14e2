import pytest
import torch

from src.augmentations.crop import Crop
from src.errors import UserError


def crops(x, pad, n=400, horizontal=0.0):
    return Crop(pad=pad, horizontal=horizontal)(x.expand(n, *x.shape[1:]), torch.Generator().manual_seed(0))


def test_every_crop_is_a_window_of_the_padded_picture_and_every_window_occurs():
    x = torch.arange(1.0, 25).view(1, 2, 3, 4)
    padded = torch.nn.functional.pad(x, [1] * 4)[0]
    windows = {(dy, dx): padded[:, dy : dy + 3, dx : dx + 4] for dy in range(3) for dx in range(3)}
    found = [next(at for at, window in windows.items() if torch.equal(window, crop)) for crop in crops(x, pad=1)]
    assert {*found} == {*windows}


def test_without_padding_nothing_moves():
    x = torch.rand(1, 3, 5, 5)
    assert torch.equal(crops(x, pad=0, n=8), x.expand(8, 3, 5, 5))


def test_it_mirrors_after_it_has_cropped():
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert torch.equal(crops(x, pad=1, horizontal=1.0), crops(x, pad=1).flip(3))


def test_the_memory_format_stays():
    x = torch.rand(4, 3, 8, 8).to(memory_format=torch.channels_last)
    assert Crop()(x, torch.Generator()).is_contiguous(memory_format=torch.channels_last)
    assert Crop()(x.contiguous(), torch.Generator()).is_contiguous()


def test_vectors_are_refused():
    with pytest.raises(UserError, match="augmentation=crop shifts images"):
        Crop()(torch.zeros(3, 5), torch.Generator())
