"""Large arrays for functions that are tuned: written once, and mapped into memory by trials."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.trial.function import array_beside

_known: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
"""The arrays of `put` by the path of their file."""


def put(array: Any) -> Any:
    """Write a numpy array to a file and return it as a read-only array mapped from there.

    A function that refers to the returned array is sent to trials without its content: every
    trial maps the same file, so that it is in memory once. The directory of a run keeps a link to
    the file, or a copy if it is on another disk. The file itself lies in the directory for
    temporary files (TMPDIR) and is removed with the returned array, at the latest when Python
    ends.

        X = aft.put(X)

    Raises:
        UsageError: it is not a numpy array, or an array of Python objects.
        EnvironmentProblem: the file cannot be written.
    """
    try:
        import numpy
    except ImportError as error:
        raise EnvironmentProblem(f"aft.put needs numpy: {error}", "pip install numpy") from None
    if not isinstance(array, numpy.ndarray):
        raise UsageError(
            f"put() takes a numpy array, not {type(array).__name__}",
            "convert it, as by numpy.asarray(x)",
        )
    if array.dtype.hasobject:
        raise UsageError(
            f"put() takes arrays of numbers or text, not of Python objects (dtype {array.dtype})",
            "convert it, as by array.astype(float), or let the function refer to it as it is",
        )
    if not array.size:
        return array
    path = ""
    try:
        descriptor, path = tempfile.mkstemp(prefix="autofinetune-", suffix=".npy")
        with os.fdopen(descriptor, "wb") as file:
            numpy.save(file, array, allow_pickle=False)
        mapped = numpy.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        _remove(path, os.getpid())
        raise EnvironmentProblem(
            f"the array cannot be written to {tempfile.gettempdir()}: {error.strerror or error}",
            "free some space, or set TMPDIR to a directory with more",
        ) from None
    weakref.finalize(mapped, _remove, path, os.getpid())
    _known[path] = mapped
    return mapped


def _remove(path: str, pid: int) -> None:
    if pid == os.getpid():  # not in a fork of the process that wrote it
        with contextlib.suppress(OSError):
            Path(path).unlink()


class Arrays:
    """The arrays of `put` that are met while a function is pickled."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}

    def reduced(self, value: Any) -> Any:
        """Return how to pickle a value that is such an array, else None."""
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(value, numpy.memmap):
            return None
        path = str(value.filename)
        if _known.get(path) is not value:  # such as a part of one
            return None
        self.files[Path(path).name] = Path(path)
        return array_beside, (Path(path).name,)

    @property
    def sizes(self) -> dict[str, int]:
        return {name: path.stat().st_size for name, path in self.files.items()}


def link(file: Path, target: Path) -> None:
    """Make a file available under another name: as a link to the same content, or as a copy."""
    if target.exists():
        return
    try:
        os.link(file, target)
    except OSError:
        partial = target.with_suffix(".tmp")
        shutil.copyfile(file, partial)
        partial.replace(target)
