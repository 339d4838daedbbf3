"""Imports modules for a script before it runs, as if it did so itself."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autofinetune.adapters import layer

# Modules that packages import only on first use, which would cost every trial more than a second:
# torch (2.1 and later) does so when an optimizer is created.
LATE = ("torch._dynamo",)
# So that a package starts no thread when it is imported: the allocator of pyarrow, which
# transformers and datasets import, would start one, and a process with threads is not forked.
QUIET = ("JE_ARROW_MALLOC_CONF?=background_thread:false",)
_PROBE_S = 120


@contextmanager
def as_in_script(script: str, script_dir: str) -> Iterator[None]:
    """Imitate the script for imports inside: its folder, its name and no arguments."""
    main_module = sys.modules["__main__"]
    is_safe = getattr(sys.flags, "safe_path", False)
    del sys.argv[1:]
    main_module.__file__ = os.path.abspath(script)
    if not is_safe:
        sys.path.insert(0, script_dir)
    try:
        yield
    finally:
        if not is_safe:
            sys.path.remove(script_dir)
        del main_module.__file__


def import_all(steps: list[str]) -> str:
    """Execute the steps of `preload.steps`; return what went wrong, or an empty string."""
    step = "sitecustomize"
    before: dict[str, str | None] = {}
    try:
        layer.chain(sys.modules["sitecustomize"])
        for step in (*QUIET, *steps):
            name, equals, value = step.partition("=")
            if step.startswith("!"):
                eval(step[1:], {"warnings": warnings})
            elif equals:
                _set(name, value, before)
            else:
                _import(name)
    except BaseException as error:
        return f"{step} cannot be imported ({type(error).__name__}: {error})"
    for name, old in before.items():  # the script sets its own again itself
        if old is None:
            del os.environ[name]
        else:
            os.environ[name] = old
    return ""


def import_late(obstacle: Callable[[], str]) -> None:
    """Import what loaded packages import late, if a try in a fork leaves no obstacle to forks."""
    for name in LATE:
        is_due = name.partition(".")[0] in sys.modules and name not in sys.modules
        if is_due and _goes_well(name, obstacle):
            importlib.import_module(name)


def _goes_well(name: str, obstacle: Callable[[], str]) -> bool:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(_PROBE_S)
            importlib.import_module(name)
            code = int(bool(obstacle()))
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def _set(name: str, value: str, before: dict[str, str | None]) -> None:
    is_default, name = name.endswith("?"), name.removesuffix("?")
    if not (is_default and name in os.environ):
        before.setdefault(name, os.environ.get(name))
        os.environ[name] = value


def _import(step: str) -> None:
    path, _, wanted = step.removesuffix("?").partition(":")
    try:
        module = importlib.import_module(path)
        if wanted and not hasattr(module, wanted):
            importlib.import_module(f"{path}.{wanted}")
    except ImportError:
        if not step.endswith("?"):
            raise
