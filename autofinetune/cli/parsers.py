"""What a script imports, itself or in modules that lie with it, found without running it.

It tells whether a command reads options: `--help` begins a training where nothing looks at it, so
only a script with a parser is asked. And whether it asks another tool for its hyperparameters, and
reports or logs anything.
"""

from __future__ import annotations

import ast
import itertools
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PARSERS = frozenset({
    "absl", "argparse", "click", "clize", "configargparse", "defopt", "docopt", "fire", "getopt",
    "hydra", "jsonargparse", "optparse", "plac", "simple_parsing", "tap", "typer", "tyro",
})  # fmt: skip
_PARSER_NAMES = frozenset({"ArgumentParser", "HfArgumentParser", "LightningCLI"})
# Tools that hand hyperparameters to a script that asks for them.
_ASKED = frozenset({"nni", "t9k", "wandb"})
# Libraries through which a score can come.
_REPORTING = frozenset({
    "accelerate", "autofinetune", "hydra", "keras", "lightgbm", "lightning", "mlflow", "nni",
    "paddle", "paddlehub", "pytorch_lightning", "t9k", "tensorboard", "tensorboardX",
    "tensorflow", "tf_keras", "transformers", "visualdl", "wandb", "xgboost",
})  # fmt: skip
_REPORTING_WORDS = (b"AUTOFINETUNE_REPORT_FILE", b"autofinetune report-", b"AutoFinetuneEval",
                    b"SummaryWriter", b"report_final_result")  # fmt: skip
_MOST_FILES = 1000


@dataclass(frozen=True)
class Source:
    """What is imported by a Python script: top-level packages and names; what else it has."""

    packages: frozenset[str]
    names: frozenset[str]
    has_flags: bool
    has_reports: bool
    has_model_path: bool

    @property
    def has_parser(self) -> bool:
        """Whether it reads options."""
        return self.has_flags or bool(_PARSERS & self.packages or _PARSER_NAMES & self.names)

    @property
    def is_hydra(self) -> bool:
        """Whether its options are overrides of Hydra."""
        return "hydra" in self.packages and not (
            self.has_flags or (_PARSERS - {"hydra"}) & self.packages or _PARSER_NAMES & self.names
        )

    @property
    def asks_for_parameters(self) -> bool:
        """Whether it may get hyperparameters by the calls of another tool."""
        return bool(_ASKED & self.packages)

    @property
    def may_report(self) -> bool:
        """Whether it reports a score or uses a library that logs some."""
        return self.has_reports or bool(_REPORTING & self.packages)


def source_of(words: Sequence[str], folder: str, env: Mapping[str, str]) -> Source | None:
    """Return what the Python script among the words of a command imports; None if there is none.

    Args:
        words: the program and what follows it, up to what differs between trials.
        folder: the working directory.
        env: in which it would run: PATH and PYTHONPATH say where things are found.
    """
    found = _script(words, folder, env)
    if found is None:
        return None
    script, root = found
    roots = [root, *(Path(folder, p) for p in env.get("PYTHONPATH", "").split(":") if p)]
    waiting, seen = [script], set[Path]()
    packages, names = set[str](), set[str]()
    has_flags = has_reports = has_model_path = False
    while waiting and len(seen) < _MOST_FILES:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            text = path.read_bytes()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in the user's texts
                tree = ast.parse(text)
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        for module, imported in _imports(tree, path, roots):
            packages.add(module.partition(".")[0])
            names.update(imported)
            waiting += _local_files(module, imported, roots)
        has_flags = has_flags or any(_is_flags(node) for node in ast.walk(tree))
        has_reports = has_reports or any(word in text for word in _REPORTING_WORDS)
        has_model_path = has_model_path or b"model_path" in text
    found_all = frozenset(packages), frozenset(names)
    return Source(*found_all, has_flags, has_reports, has_model_path)


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
