"""Checks whether a process that has imported modules can be forked, and says why not."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from importlib.machinery import EXTENSION_SUFFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set

_PATIENCE_S = 1.0  # a joined thread may stay visible for a moment
_QUIET_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def obstacle(known: set[int], script_dir: str, plain: Set[str]) -> str:
    """Return what rules out a fork, or an empty string.

    `known` are the descriptors that were open before the imports, `plain` the modules loaded
    before any script. Every trial must itself import the user's modules in `script_dir`.
    """
    return (
        _python_threads()
        or _descriptors(known)
        or _children()
        or _local_modules(script_dir)
        or _hidden_modules(script_dir, plain)
        or _fork_once()
    )


def descriptors() -> set[int]:
    """Return all open descriptors."""
    lowest_free = os.open("/proc/self/fd", os.O_RDONLY | os.O_CLOEXEC)
    os.close(lowest_free)  # so that it becomes the one of the listing itself
    return {int(name) for name in os.listdir("/proc/self/fd")} - {lowest_free}


def _python_threads() -> str:
    others = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    return f"the imports started a thread ({', '.join(others)})" if others else ""


def _descriptors(known: set[int]) -> str:
    for descriptor in sorted(descriptors() - known):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.startswith("/dev/nvidia"):
            return "the imports initialised CUDA"
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISCHR(mode) or path not in _QUIET_DEVICES:
            return f"the imports keep {path} open"
    return ""


def _children() -> str:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return ""
    return "the imports started a process"


def _local_modules(script_dir: str) -> str:
    """Find modules beside the script, excluding packages installed below it."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." in name or module is sys.modules["__main__"] or not isinstance(file, str):
            continue
        folder, base = os.path.split(os.path.realpath(file))
        if base.startswith("__init__."):
            folder = os.path.dirname(folder)
        if folder == script_dir:
            return f"the imports load {name}, which lies beside the script and may change"
    return ""


def _hidden_modules(script_dir: str, plain: Set[str]) -> str:
    """Find modules beside the script that loaded modules of the same name would hide."""
    for entry in os.listdir(script_dir):
        name, dot, end = entry.partition(".")
        if name in plain or name not in sys.modules or name == "__main__":
            continue
        package = os.path.join(script_dir, entry, "__init__.py")
        if f".{end}" in (".py", *EXTENSION_SUFFIXES) if dot else os.path.exists(package):
            return f"{entry} lies beside the script and has the name of a loaded module"
    return ""


def _fork_once() -> str:
    """Fork once and count threads: a library that supports forks ends its own before one."""
    pid = os.fork()
    if pid == 0:
        os._exit(_is_cuda_spoilt())
    _, status = os.waitpid(pid, 0)
    if status != 0:
        return "the imports initialised CUDA"
    end = time.monotonic() + _PATIENCE_S
    while len(tasks := os.listdir("/proc/self/task")) > 1 and time.monotonic() < end:
        time.sleep(0.01)
    if len(tasks) > 1:
        return f"the imports started threads ({len(tasks) - 1}) that do not stop for a fork"
    return ""


def _is_cuda_spoilt() -> bool:
    """Whether a fork of a process with torch can no longer use CUDA."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None:
        return False
    return bool(cuda.is_initialized() or getattr(cuda, "_is_in_bad_fork", bool)())
