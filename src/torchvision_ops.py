"""Lets `import torchvision` work beside a CPU-only torch.

The torchvision wheel is linked against a CUDA build of torch. Beside a CPU-only torch its compiled operators cannot be
loaded, and `import torchvision` dies with "operator torchvision::nms does not exist", because it registers shape
functions for `nms` and `qnms` unconditionally. Declaring the two schemas is enough; transforms, datasets and models
then work, and only the operators themselves (`ops.nms`, `io.read_image`) stay unavailable, with torchvision's own
error. Where the compiled operators load, nothing is declared. The work is done on the first import of torchvision, so
that a command that never needs it pays nothing.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_keep_alive: list[Any] = []  # a torch Library withdraws its operators when it is collected


class _OnFirstImport(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            declare_missing_operators()
        return None


def install() -> None:
    """Arrange for the missing operators to be declared before torchvision is first imported."""
    if "torchvision" not in sys.modules and not any(isinstance(f, _OnFirstImport) for f in sys.meta_path):
        sys.meta_path.insert(0, _OnFirstImport())


def declare_missing_operators() -> bool:
    """Declare torchvision's `nms` and `qnms` if its compiled operators cannot be loaded; return whether it did."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _operators_load(Path(spec.origin).parent, torch):
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _keep_alive.append(library)
    return True


def _operators_load(package: Path, torch: Any) -> bool:
    compiled = [p for p in package.glob("_C*") if p.suffix in {".so", ".pyd", ".dylib"}]
    try:
        for path in compiled:
            torch.ops.load_library(str(path))
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")
