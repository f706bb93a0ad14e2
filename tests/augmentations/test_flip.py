import pytest
import torch

from src.augmentations.flip import Flip
from src.errors import UserError


def test_certain_flips_mirror_and_impossible_ones_do_not():
    x = torch.arange(12.0).view(1, 1, 3, 4)
    g = torch.Generator()
    assert torch.equal(Flip(horizontal=1.0)(x, g), x.flip(3))
    assert torch.equal(Flip(horizontal=0.0, vertical=1.0)(x, g), x.flip(2))
    assert torch.equal(Flip(horizontal=0.0)(x, g), x)


def test_images_are_mirrored_one_by_one():
    x = torch.arange(4.0).expand(1000, 1, 1, 4)
    mirrored = (Flip(horizontal=0.3)(x, torch.Generator().manual_seed(0))[:, 0, 0, 0] == 3).float().mean()
    assert mirrored.item() == pytest.approx(0.3, abs=0.06)


def test_vectors_are_refused():
    with pytest.raises(UserError, match="augmentation=flip mirrors images"):
        Flip()(torch.zeros(3, 5), torch.Generator())
