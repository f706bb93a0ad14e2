"""What a run is and where it comes from: the key that names it, and the record of code, data and machine."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

SCHEMA = 1
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "pandas", "h5py", "hydra-core", "mlflow", "optuna")
NOT_IDENTITY = {"tracking", "data_root", "cache_root", "runs_root", "force", "code", "name", "figures",
                "trainer.device", "trainer.resume", "trainer.progress"}  # fmt: skip


def identity(config: Mapping[str, Any], fingerprint: str, code: str) -> dict[str, Any]:
    """Everything that can change a run's numbers: dotted configuration keys, '(data)' and '(code)'; 1 equals 1.0."""
    kept = {key: value for key, value in flatten(config).items() if not _excluded(key)}
    return {**kept, "(data)": fingerprint, "(code)": code}


def config_key(config: Mapping[str, Any]) -> str:
    """12 hexadecimal digits of the configuration alone: runs that share them differ in data or code only."""
    return run_key(config, "", "")


def run_key(config: Mapping[str, Any], fingerprint: str, code: str) -> str:
    """12 hexadecimal digits that name the run's identity."""
    text = json.dumps(identity(config, fingerprint, code), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differing_keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The keys in which two identities differ: why one run is not the other."""
    spelled = [{key: json.dumps(value, sort_keys=True) for key, value in one.items()} for one in (a, b)]
    return sorted({key for key, _ in spelled[0].items() ^ spelled[1].items()})


def loaded() -> None:
    """Take down code and machine now: processes forked from this one run this code, whatever is edited later."""
    _source_digest()
    _git()
    _versions()


def code_hash(policy: Literal["strict", "any"]) -> str:
    """A digest of all of src/, edits included; with policy 'any' the empty text, so that any code is the same code."""
    return "" if policy == "any" else _source_digest()


@functools.cache
def _source_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as {'trainer.epochs': 5, ...}, numbers in one spelling; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _canonical(value)
    return flat


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_canonical(item) for item in value] if isinstance(value, (list, tuple)) else value


def _excluded(key: str) -> bool:
    return key in NOT_IDENTITY or key.split(".")[0] in NOT_IDENTITY


def describe(key: str, name: str, seed: int, fingerprint: str, code: str) -> dict[str, Any]:
    """The content of record.json; 'diff' goes to a file of its own."""
    return {
        "schema": SCHEMA, "id": uuid.uuid4().hex, "key": key, "name": name, "seed": seed, "created": now(),
        "command": mask(" ".join(["python", *sys.orig_argv[1:]])), "data_fingerprint": fingerprint, "code": code,
        **_git(), "versions": _versions(), **machine(),
    }  # fmt: skip


def mask(text: str) -> str:
    """The text without the passwords of the addresses in it."""
    text = re.sub(r"(://[^:@/\s]*):\S+@", r"\1:***@", text)
    return re.sub(r"(?i)((?:password|passwd|pwd|token|secret)=)[^&\s]+", r"\1***", text)


@functools.cache
def _git() -> dict[str, Any]:
    """Revision and edits of the code; all empty outside a git repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout

    try:
        revision, changes = git("rev-parse", "HEAD").strip(), git("status", "--porcelain")
        diff = git("diff", "--no-ext-diff", "HEAD") if changes else ""
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return {"git_revision": None, "git_dirty": None, "untracked": [], "diff": ""}
    untracked = [line[3:] for line in changes.splitlines() if line.startswith("??")]
    return {"git_revision": revision, "git_dirty": bool(changes), "untracked": untracked, "diff": diff}


@functools.cache
def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def machine() -> dict[str, Any]:
    """Host, processor, cores, threads and GPU."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else None
    found = {"host": socket.gethostname(), "cpu": model[1] if model else "", "cores": os.cpu_count(), "gpu": ""}
    torch: Any = sys.modules.get("torch")  # not imported for this
    if torch is not None:
        found["threads"] = torch.get_num_threads()
        found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
