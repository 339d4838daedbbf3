"""The directory for the model of a trial, which exists and is empty when the script starts.

Some scripts write into it. Others, such as PaddleHub's, create it themselves by `shutil.copytree`,
`os.makedirs` or `shutil.move`. Both work: creating it succeeds while it is empty.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VARIABLE = "AUTOFINETUNE_SAVED_PARAMS_DIR"


class _Mkdir:
    """An `os.mkdir` that treats the empty model directory as missing.

    It is not a function because Python 3.10 stores `os.mkdir` in a class, which would turn a
    function into a method.
    """

    def __init__(self, original: Callable[..., None]) -> None:
        self._original = original
        self.__doc__ = original.__doc__
        self.__name__ = "mkdir"

    def __call__(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        try:
            self._original(path, mode, dir_fd=dir_fd)
        except FileExistsError:
            if dir_fd is not None or not is_awaited(path):
                raise


def is_awaited(path: Any) -> bool:
    """Whether `path` is the model directory of this trial, still empty."""
    directory = os.environ.get(VARIABLE, "")
    try:
        return os.path.samefile(path, directory) and not os.listdir(path)
    except (OSError, TypeError, ValueError):
        return False


def admit_makers() -> None:
    """Let `os.mkdir` create it, and so `os.makedirs`, `shutil.copytree` and `Path.mkdir`."""
    if os.environ.get(VARIABLE) and not isinstance(os.mkdir, _Mkdir):
        os.mkdir = _Mkdir(os.mkdir)
        # Before Python 3.11, a class in pathlib keeps the `os.mkdir` found when it was loaded.
        accessor = getattr(sys.modules.get("pathlib"), "_NormalAccessor", None)
        if accessor is not None:
            accessor.mkdir = os.mkdir
