import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from src.augmentations.blur import Blur, blurred
from src.errors import UserError


def drawn(x, labels=None, seed=0, **options):
    blur = Blur(**options)
    blur.setup(("nc", "nue", "numu"))
    return blur(x, torch.Generator().manual_seed(seed), labels)


@pytest.mark.parametrize("shape", [(3, 40, 30), (2, 9, 80)])
def test_each_image_is_torchvisions_blur_with_a_sigma_of_its_own(shape):
    x, sigma, radius = torch.rand(4, *shape), torch.tensor([0.3, 0.9, 1.7, 2.5]), 8
    theirs = [tv.gaussian_blur(image, [2 * radius + 1] * 2, [s.item()] * 2) for image, s in zip(x, sigma, strict=True)]
    torch.testing.assert_close(blurred(x, sigma, radius), torch.stack(theirs), rtol=1e-4, atol=1e-5)


def test_no_width_is_no_blur():
    x = torch.rand(3, 2, 12, 9)
    assert torch.equal(drawn(x, sigma=[0.0, 0.0]), x)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_pictures_smaller_than_the_curve_keep_their_mean(side):
    x = torch.rand(5, 1, side, side)
    y = drawn(x, sigma=[3.0, 3.0])
    assert torch.isfinite(y).all()
    assert y.var() <= x.var()
    torch.testing.assert_close(
        blurred(torch.ones(1, 1, side, side), torch.tensor([3.0]), 9), torch.ones(1, 1, side, side)
    )


def test_the_width_differs_from_image_to_image_within_the_range():
    x = torch.zeros(200, 1, 21, 21)
    x[:, :, 10, 10] = 1
    peaks = drawn(x, sigma=[1.0, 2.0])[:, 0, 10, 10]
    ends = blurred(x[:2], torch.tensor([2.0, 1.0]), 6)[:, 0, 10, 10]
    assert peaks.unique().numel() > 190
    assert (ends[0] <= peaks).all()
    assert (peaks <= ends[1]).all()
    assert torch.equal(peaks, drawn(x, sigma=[1.0, 2.0])[:, 0, 10, 10])
    assert not torch.equal(peaks, drawn(x, seed=1, sigma=[1.0, 2.0])[:, 0, 10, 10])


def test_only_the_named_classes_are_blurred_and_hidden_labels_never():
    x, labels = torch.rand(4, 1, 16, 16), torch.tensor([0, 1, 2, -1])
    changed = (drawn(x, labels, sigma=[1.0, 2.0], classes=["nue"]) != x).flatten(1).any(dim=1)
    assert changed.tolist() == [False, True, False, False]
    assert not (drawn(x, labels, classes=[]) != x).any()


def test_mistakes_are_sentences():
    with pytest.raises(UserError, match=r"augmentation\.classes: no class is called 'nuee'; did you mean 'nue'\?"):
        drawn(torch.rand(1, 1, 4, 4), classes=["nuee"])
    with pytest.raises(ValueError, match="give the smaller one first"):
        Blur(sigma=[2.0, 1.0])
    with pytest.raises(UserError, match="augmentation=blur blurs images"):
        drawn(torch.rand(3, 5))


def test_a_run_knows_its_classes(train):
    score = train(
        "dataset=digits",
        "model=lenet",
        "model.channels=[4]",
        "trainer.epochs=1",
        "augmentation=blur",
        "augmentation.classes=['3']",
    )
    assert score > 0.1
    with pytest.raises(UserError, match=r"augmentation\.classes: no class is called 'three'"):
        train("dataset=digits", "model=lenet", "augmentation=blur", "augmentation.classes=[three]")
