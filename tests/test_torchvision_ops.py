import subprocess
import sys

from src import torchvision_ops


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torchvision_imports_and_transforms_after_importing_the_project():
    out = python(
        "import src, sys; assert 'torch' not in sys.modules; import torchvision, torch;"
        "from torchvision.transforms import v2; print(v2.functional.rotate(torch.ones(1, 4, 4), 90).sum().item())"
    )
    assert float(out) == 16


def test_nothing_is_declared_where_the_compiled_operators_load(monkeypatch):
    monkeypatch.setattr(torchvision_ops, "_operators_load", lambda package, torch: True)
    assert torchvision_ops.declare_missing_operators() is False


def test_the_hook_is_installed_once_and_removes_itself():
    out = python(
        "import sys, src; from src import torchvision_ops as t; t.install(); t.install();"
        "print(sum(type(f).__name__ == '_OnFirstImport' for f in sys.meta_path)); import torchvision;"
        "print(sum(type(f).__name__ == '_OnFirstImport' for f in sys.meta_path))"
    )
    assert out.split() == ["1", "0"]
