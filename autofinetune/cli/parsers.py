"""Whether a command reads options, found without running it.

`--help` begins a training where nothing looks at it, so only a script is asked that has a parser
of options, itself or in a module that lies with it.
"""

from __future__ import annotations

import ast
import itertools
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_MODULES = frozenset({
    "absl", "argparse", "click", "clize", "configargparse", "defopt", "docopt", "fire", "getopt",
    "jsonargparse", "optparse", "plac", "simple_parsing", "tap", "typer", "tyro",
})  # fmt: skip
_NAMES = frozenset({"ArgumentParser", "HfArgumentParser", "LightningCLI"})
_MOST_FILES = 1000


def has_parser(words: Sequence[str], folder: str, env: Mapping[str, str]) -> bool:
    """Whether the Python script among the words of a command imports a parser of options.

    Args:
        words: the program and what follows it, up to what differs between trials.
        folder: the working directory.
        env: in which it would run: PATH and PYTHONPATH say where things are found.
    """
    found = _script(words, folder, env)
    if found is None:
        return False
    script, root = found
    roots = [root, *(Path(folder, p) for p in env.get("PYTHONPATH", "").split(":") if p)]
    waiting, seen = [script], set[Path]()
    while waiting and len(seen) < _MOST_FILES:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in the user's texts
                tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        for module, names in _imports(tree, path, roots):
            if module.partition(".")[0] in _MODULES or _NAMES & set(names):
                return True
            waiting += _local_files(module, names, roots)
        if any(_is_flags(node) for node in ast.walk(tree)):
            return True
    return False


def _script(words: Sequence[str], folder: str, env: Mapping[str, str]) -> tuple[Path, Path] | None:
    """The script, and where its own modules lie.

    It is a .py, a module after -m, or a program that is written in Python.
    """
    for word in words:
        if word.endswith(".py"):
            script = Path(folder, word)
            return script, script.parent
    for word, module in itertools.pairwise(words):
        if word == "-m":
            inside = Path(folder, *module.split("."))
            files = (inside.with_suffix(".py"), inside / "__main__.py")
            return next(((path, Path(folder)) for path in files if path.is_file()), None)
    program = words[0] if words else ""
    place = program if "/" in program else shutil.which(program, path=env.get("PATH"))
    script = Path(folder, place or "")
    try:
        with script.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return None
    is_python = first.startswith(b"#!") and b"python" in first
    return (script, script.parent) if is_python else None


def _imports(
    tree: ast.AST, path: Path, roots: Sequence[Path]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Each module that is imported, by its whole name, and the names out of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = _package(path, roots)[: -(node.level - 1) or None]
                module = ".".join([*package, *([module] if module else [])])
            yield module, [alias.name for alias in node.names]


def _package(path: Path, roots: Sequence[Path]) -> tuple[str, ...]:
    """The names of the packages that a file is in, from where modules are looked for."""
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).parts[:-1]
    return ()


def _local_files(module: str, names: Sequence[str], roots: Sequence[Path]) -> Iterator[Path]:
    """What of it lies with the script; a name may be a module inside."""
    parts = [part for part in module.split(".") if part]
    for root in roots:
        for place in (root.joinpath(*parts), *(root.joinpath(*parts, name) for name in names)):
            for file in (place.parent / f"{place.name}.py", place / "__init__.py"):
                if file.is_file():
                    yield file


def _is_flags(node: ast.AST) -> bool:
    """`tf.app.flags`, which is no module of its own."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "flags"
        and ast.unparse(node.value).endswith((".app", ".v1"))
    )
