"""The components that exist, found by listing conf/: what the contract tests run over."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).resolve().parents[2] / "conf"


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def load(group: str, name: str) -> dict[str, Any]:
    """The YAML as it stands, `_target_` included."""
    content: dict[str, Any] = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
    content = content.get(group, content)  # one that brings another group's default along stands below its own name
    return {key: value for key, value in content.items() if key != "defaults"}


def target(group: str, name: str) -> Any:
    """The class that a YAML names; only this project's and torch.optim's may be named."""
    path = load(group, name)["_target_"]
    assert path.startswith(("src.", "torch.optim.")), path
    module, _, cls = path.rpartition(".")
    return getattr(importlib.import_module(module), cls)


def build(group: str, name: str, **changes: Any) -> Any:
    """The component with its defaults, some of them changed."""
    options = {key: value for key, value in load(group, name).items() if key != "_target_"}
    return target(group, name)(**{**options, **changes})


def signature_defaults(cls: Any) -> dict[str, Any]:
    """The keyword arguments of a component and their defaults (inspect.Parameter.empty where there is none)."""
    parameters = inspect.signature(cls).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters), f"{cls.__name__}: options are keyword-only"
    return {p.name: [*p.default] if isinstance(p.default, tuple) else p.default for p in parameters}
