"""The key=value arguments of commands that need no Hydra."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from src.errors import UserError

T = TypeVar("T")


def options(cls: type[T], arguments: Sequence[str], usage: str, read: Mapping[str, Callable[[str], Any]]) -> T:
    """The command's options; `read` makes values of those that are no texts.

    Raises UserError with every mistake.
    """
    from src import config

    wrong = [argument for argument in arguments if "=" not in argument]
    if wrong:
        raise UserError(f"{wrong[0]}: give key=value\n{usage}")
    given: dict[str, Any] = dict(argument.split("=", 1) for argument in arguments)
    given |= {key: make(given[key]) for key, make in read.items() if key in given}
    problems: list[str] = []
    found: T = config.construct(cls, "", given, problems)
    if problems:
        raise UserError("\n".join(problems))
    return found
