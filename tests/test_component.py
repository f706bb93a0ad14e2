import inspect
from typing import Literal

import pytest
from pydantic import ValidationError

from src.component import Component, Dropout, NonNegativeFloat, PositiveInt


class Part(Component):
    def __init__(
        self, *, width: PositiveInt, scale: NonNegativeFloat | Literal["ramp"] = 1.0, drop: Dropout = 0.5
    ) -> None:
        if width % 2:
            raise ValueError("width must be even")
        self.width, self.scale, self.drop = width, scale, drop


class Child(Part):
    def __init__(self, *, depth: PositiveInt = 1) -> None:
        super().__init__(width=2)
        self.depth = depth


def test_every_bad_argument_is_reported_at_once():
    with pytest.raises(ValidationError) as caught:
        Part(width=0, scale=-1.0, drop=1.0, hiden=3)
    assert {error["loc"][0] for error in caught.value.errors()} == {"width", "scale", "drop", "hiden"}


@pytest.mark.parametrize("wrong", ["4", 4.0, True, None])
def test_types_are_strict(wrong):
    with pytest.raises(ValidationError):
        Part(width=wrong)


def test_an_integer_is_a_float():
    part = Part(width=2, scale=1, drop=0)
    assert isinstance(part.scale, float)
    assert isinstance(part.drop, float)


def test_rules_between_arguments_are_value_errors():
    with pytest.raises(ValueError, match="must be even"):
        Part(width=3)


def test_the_signature_stays_readable_and_subclasses_check_their_own():
    assert list(inspect.signature(Part).parameters) == ["width", "scale", "drop"]
    assert Child(depth=2).width == 2
    with pytest.raises(ValidationError):
        Child(depth=0)
