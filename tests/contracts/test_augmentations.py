"""What every augmentation promises, for each YAML in conf/augmentation."""

import pytest
import torch

from tests.contracts import yamls

names = pytest.mark.parametrize("name", yamls.names("augmentation"))


@names
def test_the_yaml_is_the_signature(name):
    content = yamls.load("augmentation", name)
    content.pop("_target_")
    assert content == yamls.signature_defaults(yamls.target("augmentation", name))


@names
def test_shape_type_and_range_stay_and_the_generator_decides(name):
    augmentation = yamls.build("augmentation", name)
    x = torch.rand(8, 3, 20, 16)
    before = x.clone()
    torch.manual_seed(0)
    a = augmentation(x, torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    b = augmentation(x, torch.Generator().manual_seed(0))
    assert torch.equal(a, b), "draws from its generator only"
    assert torch.equal(x, before), "the stored examples stay as they are"
    assert a.shape == x.shape
    assert a.dtype == x.dtype
    assert a.min() >= 0
    assert a.max() <= 1
