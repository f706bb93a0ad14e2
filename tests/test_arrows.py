"""Who may import whom (design: arrows). A part may import only what its line allows."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
BASICS = {"component", "errors", "graphs", "seeding", "task", "transition_matrix"}
ALLOWED = {
    "component": set(), "errors": set(), "seeding": set(), "torchvision_ops": set(), "checkpoint": {"errors"},
    "graphs": set(), "task": {"graphs", "transition_matrix"}, "transition_matrix": set(),
    "simulators": {"simulators"},
    "datasets": BASICS | {"datasets", "simulators"},
    "noise_models": BASICS | {"noise_models"},
    "protocols": BASICS | {"protocols"},
    "imbalance_strategies": BASICS | {"imbalance_strategies"},
    "augmentations": BASICS | {"augmentations"},
    "models": BASICS | {"models"}, "optimizers": BASICS,
    "strategies": BASICS | {"inference", "loading", "models", "noise_models", "optimizers", "strategies", "training"},
    "evaluation": {"task", "errors", "evaluation", "transition_matrix"},
    "loading": BASICS, "inference": BASICS | {"evaluation", "loading", "models", "strategies"},
    "training": BASICS | {"augmentations", "checkpoint", "evaluation", "imbalance_strategies", "inference", "loading",
                          "models", "stopping", "strategies"},
    "stopping": set(),
    "decoupled": BASICS | {"augmentations", "checkpoint", "datasets", "models", "strategies", "training"},
    "provenance": set(),
    "lease": set(),
    "runs": BASICS | {"lease", "provenance"},
    "tracking": BASICS | {"lease", "provenance", "runs"},
    "config": BASICS | {"augmentations", "datasets", "evaluation", "imbalance_strategies", "models", "noise_models", "protocols", "rules", "strategies",
                        "tracking", "training"},
    "rules": {"augmentations", "noise_models", "strategies"},
    "judging": BASICS | {"config", "evaluation"},
    "explain": BASICS | {"evaluation", "strategies"}, "domains": BASICS | {"evaluation", "inference", "strategies"},
    "experiment": BASICS | {"config", "decoupled", "domains", "evaluation", "explain", "inference", "judging", "noise_models", "provenance", "runs",
                            "strategies", "tracking", "training"},
    "showcase": BASICS | {"config", "domains", "evaluation", "experiment", "judging", "runs", "strategies", "tracking", "training"},
    "studies": {"component", "config", "errors", "evaluation", "experiment", "lease", "provenance", "runs", "showcase", "studies",
                "tracking"},
    "plugins": set(),  # what it needs of src it names in its configuration
    "report": {"errors", "evaluation", "runs", "studies"},
    "reproduce": {"average", "config", "datasets", "errors", "experiment", "evaluation", "inference", "report", "reproduce", "runs", "showcase", "simulators", "studies", "task", "transition_matrix"},
    "claims": {"errors", "evaluation", "report", "runs", "studies"},
    "status": {"errors", "runs", "studies", "tracking"},
    "finished": {"errors", "runs", "studies"},
    "average": BASICS | {"arguments", "config", "evaluation", "finished", "judging", "provenance", "runs", "studies"},
    "predict": BASICS | {"arguments", "config", "evaluation", "finished", "inference", "runs", "strategies", "training"},
    "arguments": {"config", "errors"},
    "run": {"config", "errors", "experiment", "run"}, "__init__": {"torchvision_ops"},
}  # fmt: skip
HYDRA = {"run", "plugins"}
OPTUNA = {"studies", "report"}
MLFLOW = {"tracking"}


def imports(path: Path) -> set[str]:
    """Top-level names, and 'src.<part>' for the project's own, wherever in the file they are imported."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "absolute imports only"
            assert node.module
            names = [f"src.{alias.name}" for alias in node.names] if node.module == "src" else [node.module]
            found |= set(names)
    return {".".join(name.split(".")[:2]) if name.startswith("src.") else name.split(".")[0] for name in found}


FILES = sorted(SRC.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_arrows(path):
    part = path.relative_to(SRC).with_suffix("").parts[0]
    found = imports(path)
    assert "src.run" not in found or part == "run", "nothing imports run"
    inside = {name.removeprefix("src.") for name in found if name.startswith("src.")}
    assert inside <= ALLOWED[part], f"{part} must not import {sorted(inside - ALLOWED[part])}"
    if "hydra" in found:
        assert part in HYDRA
    if "optuna" in found:
        assert part in OPTUNA
    if "mlflow" in found:
        assert part in MLFLOW
    if part == "simulators":
        assert found <= {"src.simulators", "numpy", "h5py", "tqdm", *STANDARD}


STANDARD = __import__("sys").stdlib_module_names
