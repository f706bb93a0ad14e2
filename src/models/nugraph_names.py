"""Weights of the original NuGraph2 (github.com/nugraph/nugraph, v23.11 and v24.2) under the names that they have here."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

RENAMED = {
    r"(event|semantic|filter|vertex)_decoder\.temp": r"temperature.\1",
    r"encoder\.(.+)": r"body.encoder.\1",
    r"(plane_net|nexus_net)\.(.+)": r"body.iteration.\1.\2",
    r"event_decoder\.pool\.(\w+)\.t": r"pool.\1.t",
    r"event_decoder\.net\.0\.(\w+)": r"head.\1",
    r"filter_decoder\.net\.(\w+)\.0\.(\w+)": r"filter_decoder.net.\1.\2",
    r"vertex_decoder\.(?:aggr|lstm)\.(\w+)\.lstm\.(\w+)": r"vertex_decoder.lstm.\1.\2",  # v24.2 | v23.11
}
"""The original's name: the one here. What stands in no line has the same name here as there."""

OF_CLASS = re.compile(r"((?:encoder|plane_net|nexus_net|semantic_decoder)\..+)\.net\.(\d+)\.(weight|bias)")
"""v23.11 has a layer for each class: <layer>.net.<class>.weight; here they are one, with a class axis in front."""


def from_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state_dict of the original as a state_dict of NuGraph2 with the same version, planes, heads and widths.

    Raises ValueError for one with layers between the pooled hits and the event's logits: the original has none.
    """
    if "event_decoder.net.2.weight" in state:
        raise ValueError("event_decoder.net.2.weight: the original's event decoder has one layer")
    joined: dict[str, dict[int, Tensor]] = {}
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        match = OF_CLASS.fullmatch(name)
        if match:
            joined.setdefault(f"{match[1]}.{match[3]}", {})[int(match[2])] = value
        else:
            found[_renamed(name)] = value
    for name, layers in joined.items():
        stacked = torch.stack([layers[number] for number in range(len(layers))])
        found[_renamed(name)] = stacked if name.endswith("weight") else stacked[:, None]
    return found


def _renamed(name: str) -> str:
    for pattern, here in RENAMED.items():
        if re.fullmatch(pattern, name):
            return re.sub(pattern, here, name)
    return name
