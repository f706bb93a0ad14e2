"""A point's values are put into the configuration it is composed from."""

import pytest

from src.studies.plan import _with


def test_a_value_reaches_into_sections_and_lists_and_leaves_the_rest_alone():
    config = {"weights": [1, {"a": 2}], "optimizer": {"lr": 1}, "seed": 0}
    found = _with(config, {"weights.1.a": 3, "weights.0": 4, "optimizer.betas": (5, 6)})
    assert found == {"weights": [4, {"a": 3}], "optimizer": {"lr": 1, "betas": [5, 6]}, "seed": 0}
    assert config == {"weights": [1, {"a": 2}], "optimizer": {"lr": 1}, "seed": 0}


@pytest.mark.parametrize("key", ["weights.2", "weights.x", "seed.x", "none.x"])
def test_a_key_that_leads_nowhere_is_named(key):
    with pytest.raises(ValueError, match=f"{key}: there is no section '{key.split('.')[0]}'"):
        _with({"weights": [1, 2], "seed": 0}, {key: 1})
