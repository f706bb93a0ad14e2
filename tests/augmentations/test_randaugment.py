import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from src.augmentations import randaugment
from src.augmentations.randaugment import BRIGHTNESS, OPERATIONS, RandAugment, in_turn
from src.errors import UserError


def augmented(x, seed=0, **options):
    return RandAugment(**{"horizontal": 0.0, **options})(x, torch.Generator().manual_seed(seed))


def torchvisions(image, name, value):
    """What torchvision's RandAugment does for an operation and a value."""
    affine = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    degrees = torch.tensor(value).atan().rad2deg().item()
    return {
        "rotate": lambda: tv.rotate(image, value),
        "shear_x": lambda: tv.affine(image, **{**affine, "shear": [degrees, 0.0]}, center=[0, 0]),
        "shear_y": lambda: tv.affine(image, **{**affine, "shear": [0.0, degrees]}, center=[0, 0]),
        "translate_x": lambda: tv.affine(image, **{**affine, "translate": [int(value), 0]}),
        "translate_y": lambda: tv.affine(image, **{**affine, "translate": [0, int(value)]}),
        "brightness": lambda: tv.adjust_brightness(image, value),
        "contrast": lambda: tv.adjust_contrast(image, value),
        "sharpness": lambda: tv.adjust_sharpness(image, value),
    }[name]()


# --- one operation ---


VALUES = {
    "rotate": [-27.0, 3.0, 30.0], "shear_x": [-0.3, 0.13, 0.27], "shear_y": [-0.3, 0.13, 0.27],
    "translate_x": [-19.0, 4.0, 28.0], "translate_y": [-19.0, 4.0, 28.0],
    "brightness": [0.1, 0.64, 1.9], "contrast": [0.1, 0.64, 1.9], "sharpness": [0.1, 0.64, 1.9],
}  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 33, 50)], ids=str)
@pytest.mark.parametrize("name", VALUES)
def test_an_operation_is_torchvisions(name, shape):
    """But for pixels whose source lies halfway between two, which may be either."""
    x, values = torch.rand(3, *shape), VALUES[name]
    ours = in_turn(x, torch.full((1, 3), OPERATIONS.index(name)), torch.tensor([values]))
    theirs = torch.stack([torchvisions(image, name, value) for image, value in zip(x, values, strict=True)])
    wrong = ((ours - theirs).abs() > 1e-5).float().mean()
    assert wrong <= (0.002 if OPERATIONS.index(name) < BRIGHTNESS else 0)
    assert (ours != x).float().mean() > 0.5


@pytest.mark.parametrize("name", VALUES)
def test_bytes_are_varied_as_floats_are(name):
    """Colours are rounded where torchvision cuts off."""
    x, values = (torch.rand(3, 3, 64, 64) * 255).to(torch.uint8), VALUES[name]
    ours = in_turn(x, torch.full((1, 3), OPERATIONS.index(name)), torch.tensor([values]))
    theirs = torch.stack([torchvisions(image, name, value) for image, value in zip(x, values, strict=True)])
    assert ours.dtype == torch.uint8
    assert ((ours.int() - theirs.int()).abs() > 1).float().mean() <= 0.002


def test_all_images_of_a_batch_at_once_as_on_a_gpu_are_the_same_as_one_by_one():
    x, kinds = torch.rand(32, 3, 24, 20), torch.arange(32) % 8
    values = torch.where(kinds < BRIGHTNESS, 0.25, 1.4)
    one_by_one = in_turn(x, kinds[None], values[None])
    source = randaugment.inverse(kinds, values, 24, 20)
    torch.testing.assert_close(randaugment.applied(x, kinds.tolist(), source, values), one_by_one)


# --- magnitudes ---


def test_there_are_exactly_the_studys_eight(monkeypatch):
    assert OPERATIONS == (
        "rotate", "shear_x", "shear_y", "translate_x", "translate_y", "brightness", "contrast", "sharpness",
    )  # fmt: skip
    seen = []
    monkeypatch.setattr(randaugment, "in_turn", lambda images, operations, values: seen.append(operations) or images)
    augmented(torch.rand(4000, 1, 4, 4), n=2)
    assert seen[0].shape == (2, 4000)
    counts = seen[0].flatten().bincount()
    assert len(counts) == 8
    assert counts.sub(1000).abs().max() < 5 * (1000 * 7 / 8) ** 0.5
    together = (seen[0][0] == seen[0][1]).float().mean()
    assert together.item() == pytest.approx(1 / 8, abs=5 * (1 / 8 * 7 / 8 / 4000) ** 0.5), "drawn with replacement"


def test_no_strength_is_no_change_for_torchvision_and_a_change_for_the_other():
    x = torch.rand(64, 3, 32, 32)
    assert torch.equal(augmented(x, n=5, m=0), x)
    assert torch.equal(augmented((x * 255).to(torch.uint8), n=5, m=0), (x * 255).to(torch.uint8))
    assert not torch.equal(augmented(x, n=1, m=0, profile="ildoonet"), x)


def test_the_other_profile_leaves_colours_alone_at_half_strength():
    middle, swing = RandAugment(m=15, profile="ildoonet").values(224, 224)
    assert middle[BRIGHTNESS:] == pytest.approx([1.0] * 3)
    assert swing[BRIGHTNESS:] == [0.0] * 3


@pytest.mark.parametrize(
    ("m", "factor", "pixels"), [(6, 0.46, 20), (12, 0.82, 40), (18, 1.18, 60), (24, 1.54, 80), (30, 1.9, 100)]
)
def test_the_other_profiles_values_are_the_packages(m, factor, pixels):
    """val = m / 30 (max - min) + min, with 0.1 to 1.9 for colours, 0 to 100 pixels, 0 to 30°, 0 to 0.3."""
    middle, swing = RandAugment(m=m, profile="ildoonet").values(224, 224)
    assert middle == pytest.approx([0.0] * 5 + [factor] * 3)
    assert swing == pytest.approx([m, 0.01 * m, 0.01 * m, pixels, pixels, 0, 0, 0])


@pytest.mark.parametrize("m", [0, 1, 9, 24, 30])
def test_torchvisions_values_are_its_own(m):
    space = v2.RandAugment._AUGMENTATION_SPACE
    names = ["Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY", "Brightness", "Contrast", "Sharpness"]
    theirs = [float(space[name][0](31, 100, 224)[m]) for name in names]
    middle, swing = RandAugment(m=m).values(100, 224)
    assert all(space[name][1] for name in names), "signed"
    assert middle == [0.0] * 5 + [1.0] * 3
    assert swing[:3] + swing[5:] == pytest.approx(theirs[:3] + theirs[5:])
    assert swing[3:5] == [int(theirs[3]), int(theirs[4])]


def test_full_strength_is_full():
    middle, swing = RandAugment(m=30).values(331, 662)
    assert swing == pytest.approx([30, 0.3, 0.3, 300, 150, 0.9, 0.9, 0.9])
    assert middle == [0.0] * 5 + [1.0] * 3
    for m in (-1, 31):
        with pytest.raises(ValueError, match="m"):
            RandAugment(m=m)


# --- draws ---


@pytest.mark.parametrize("profile", ["torchvision", "ildoonet"])
def test_every_image_is_varied_by_itself_and_the_seed_decides(profile):
    x = torch.rand(1, 3, 32, 32).expand(64, -1, -1, -1)
    a = augmented(x, n=2, m=24, profile=profile)
    assert len(a.flatten(1).unique(dim=0)) > 40
    assert torch.equal(a, augmented(x, n=2, m=24, profile=profile))
    assert not torch.equal(a, augmented(x, seed=1, n=2, m=24, profile=profile))


def test_no_operation_leaves_the_mirror_images():
    x = torch.arange(4.0).div(4).expand(1000, 1, 3, 4).contiguous()
    y = augmented(x, n=0, horizontal=0.3)
    mirrored = (y[:, 0, 0, 0] > 0).float().mean().item()
    assert mirrored == pytest.approx(0.3, abs=0.08)
    assert torch.equal(augmented(x, n=0), x)


def test_both_directions_are_drawn():
    x = torch.zeros(600, 1, 9, 9)
    x[:, :, 4, 4] = 1.0
    y = in_turn(x, torch.full((1, 600), 3), torch.tensor([[2.0, -2.0] * 300]))
    assert y[0, 0, 4].argmax() == 6
    assert y[1, 0, 4].argmax() == 2
    moved_right = (augmented(torch.ones(4000, 1, 9, 9), n=1, m=30)[:, 0, 4, 0] == 0).float().mean()
    moved_left = (augmented(torch.ones(4000, 1, 9, 9), n=1, m=30)[:, 0, 4, 8] == 0).float().mean()
    assert moved_right.item() == pytest.approx(moved_left.item(), abs=0.03)
    assert moved_right > 0.05


def test_vectors_are_refused():
    with pytest.raises(UserError, match="augmentation=randaugment varies images"):
        augmented(torch.zeros(3, 5))
