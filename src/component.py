"""What every configurable part shares: its constructor's signature is the schema of its YAML file.

A component's `__init__` takes keyword-only, typed arguments; they are the keys of its YAML, no more and no fewer. Types
and ranges stand in the annotations (`PositiveInt`, `Annotated[float, Ge(0)]`, `Literal[...]`) and are checked on every
construction, from YAML or from Python, all at once. Rules between arguments are `ValueError`s raised in the body. What
is only known once data is read arrives later, in `setup`.
"""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from annotated_types import Ge, Gt, Le, Lt

PositiveInt = Annotated[int, Gt(0)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
OpenFraction = Annotated[float, Gt(0), Lt(1)]
Dropout = Annotated[float, Ge(0), Lt(1)]


class Component:
    """Base of everything that stands in conf/; checks arguments against the signature.

    Raises pydantic.ValidationError (a ValueError that lists every bad argument).
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            checked = pydantic.validate_call(config={"strict": True, "arbitrary_types_allowed": True})(cls.__init__)
            cls.__init__ = checked  # type: ignore[method-assign]
