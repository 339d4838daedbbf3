"""Which sources decide what a strategy does: a result counts as long as they stay the same."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import autofinetune
from autofinetune.strategies import strategy_class

_ROOT = Path(autofinetune.__file__).parent
_FOLDERS = ("space", "strategies", "surrogate")
# How a space is written in a file changes no search in it.
_READERS = {"fields.py", "formats.py", "hparam_file.py", "nni.py", "wandb.py", "yaml_file.py"}


@functools.cache
def digest(strategy: str) -> str:
    """Of the strategy's module and all that it imports from those folders."""
    found = hashlib.sha256()
    for path in sorted(sources(Path(inspect.getfile(strategy_class(strategy))))):
        found.update(path.relative_to(_ROOT).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:12]


def sources(module: Path) -> set[Path]:
    """A module's file and those of what it imports, and so on."""
    found, waiting = set(), [module.resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path)
    return found


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        parts = (node.module or "").split(".") if node.module else []
        if node.level:
            start = path.parents[node.level - 1]
        elif parts[:1] == ["autofinetune"]:
            start, parts = _ROOT, parts[1:]
        else:
            continue
        target = start.joinpath(*parts)
        names = [target.joinpath(alias.name).with_suffix(".py") for alias in node.names]
        for file in (target.with_suffix(".py"), target / "__init__.py", *names):
            if file.is_file() and _counts(*file.relative_to(_ROOT).parts):
                yield file


def _counts(folder: str, *names: str) -> bool:
    return folder in _FOLDERS and not (folder == "space" and names[-1] in _READERS)
