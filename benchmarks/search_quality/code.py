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
    """Return a digest of the strategy's module and of all that it imports from those folders.

    What a search does is hashed and not how it reads: docstrings, comments, annotations, the
    texts of errors and the places of imported modules make no difference.
    """
    module = Path(inspect.getfile(strategy_class(strategy)))
    trees = sorted(normalized(ast.parse(path.read_text())) for path in sources(module))
    return hashlib.sha256("\0".join(trees).encode()).hexdigest()[:12]


# Fields of nodes that say nothing about what the code does.
_SILENT = frozenset({"annotation", "returns", "type_comment", "kind", "ctx", "type_params"})


def normalized(node: ast.AST, *, is_error: bool = False) -> str:
    """Return the syntax tree as text, the same one for every version of Python."""
    if isinstance(node, ast.ImportFrom):
        return f"import({','.join(sorted(alias.name for alias in node.names))})"
    if isinstance(node, ast.Constant):
        return "text" if is_error and isinstance(node.value, str) else repr(node.value)
    if isinstance(node, ast.JoinedStr) and is_error:
        return "text"
    is_error = is_error or isinstance(node, ast.Raise)
    parts = []
    for name, value in sorted(ast.iter_fields(node)):
        if name in _SILENT:
            continue
        inner = value if isinstance(value, list) else [value]
        texts = [
            normalized(one, is_error=is_error) if isinstance(one, ast.AST) else repr(one)
            for one in inner
            if one is not None and not _is_text_alone(one)
        ]
        if texts:
            parts.append(f"{name}=[{','.join(texts)}]")
    return f"{type(node).__name__}({','.join(parts)})"


def _is_text_alone(node: object) -> bool:
    """Whether it is a docstring, or another text that nothing is done with."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


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
