"""Digests of files, and arrays made once and kept: a cache that is either complete or absent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.datasets.inputs import open_packed
from src.errors import UserError


def digest(*parts: object) -> str:
    """16 hexadecimal digits for plain values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def file_digest(paths: Iterable[Path]) -> str:
    """16 hexadecimal digits for the names and contents of files. Raises UserError for one that cannot be read."""
    total = hashlib.blake2b(digest_size=8)
    for path in paths:
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        total.update(path.name.encode() + b"\0" + content)
    return total.hexdigest()


def kept(path: Path, make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The array stored under the path, made and stored first if it is not there; memory-mapped.

    Raises UserError if it cannot be written.
    """
    if not path.exists():
        array = make()
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError as error:
            raise unwritable(path, error) from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    return open_packed(path)


def unwritable(path: Path, error: OSError) -> UserError:
    """The sentence for a cache that cannot be written."""
    remedy = "free some space" if error.errno == errno.ENOSPC else "give another cache_root"
    return UserError(f"{path}: cannot write the cache ({error.strerror or error}); {remedy}")
