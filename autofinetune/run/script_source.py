"""What a Python script does with options, hyperparameters and scores, read and not run.

`--help` begins a training where nothing looks at it, so only a script with a parser is asked.
"""

from __future__ import annotations

import ast
import itertools
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PARSERS = frozenset({
    "absl", "argparse", "click", "clize", "configargparse", "defopt", "docopt", "fire", "getopt",
    "hydra", "jsonargparse", "optparse", "plac", "simple_parsing", "tap", "typer", "tyro",
})  # fmt: skip
_PARSER_NAMES = frozenset({"ArgumentParser", "HfArgumentParser", "LightningCLI"})
_PARSER_CALLS = frozenset({"parse_args", "parse_known_args", "parse_args_into_dataclasses"})
# The calls by which a script gets hyperparameters of NNI and TensorStack.
_ASKING = (b"get_next_parameter", b"get_current_parameter", b"AUTOFINETUNE_PARAMS")
# Libraries through which a score can come.
_REPORTING = frozenset({
    "accelerate", "autofinetune", "hydra", "keras", "lightgbm", "lightning", "mlflow", "nni",
    "paddle", "paddlehub", "pytorch_lightning", "t9k", "tensorboard", "tensorboardX",
    "tensorflow", "tf_keras", "transformers", "visualdl", "wandb", "xgboost",
})  # fmt: skip
_REPORTING_WORDS = (b"AUTOFINETUNE_REPORT_FILE", b"autofinetune report-", b"AutoFinetuneEval",
                    b"SummaryWriter", b"report_final_result")  # fmt: skip
_OWN_OPTIONS = (b"saved_params_dir", b"model_path")
_MOST_FILES = 1000


@dataclass
class Source:
    """What stands in a script and in the modules that lie with it.

    `packages` are those that are imported, by their top-level names, and `names` what is imported
    out of them. `own_options` are the options of ours that are mentioned. `is_readable` is false
    for a script that is no Python.
    """

    packages: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    own_options: set[str] = field(default_factory=set)
    is_readable: bool = True
    has_parser_calls: bool = False
    reads_argv: bool = False
    reads_wandb_config: bool = False
    asks_by_calls: bool = False
    has_reports: bool = False

    @property
    def has_parser(self) -> bool:
        """Whether it reads options."""
        return self._has_other_parser or "hydra" in self.packages

    @property
    def is_hydra(self) -> bool:
        """Whether its options are overrides of Hydra."""
        return "hydra" in self.packages and not self._has_other_parser

    @property
    def _has_other_parser(self) -> bool:
        found = (_PARSERS - {"hydra"}) & self.packages or _PARSER_NAMES & self.names
        return self.has_parser_calls or bool(found)

    @property
    def asks_for_parameters(self) -> bool:
        """Whether it gets hyperparameters by the calls of another tool."""
        return self.reads_wandb_config or self.asks_by_calls

    @property
    def may_report(self) -> bool:
        """Whether it reports a score or uses a library that logs some."""
        return self.has_reports or bool(_REPORTING & self.packages)

    def add(self, text: bytes, tree: ast.AST) -> None:
        """Take what stands in one file, its imports excepted."""
        nodes = list(ast.walk(tree))
        self.has_parser_calls |= any(_is_flags(node) or _is_parsing(node) for node in nodes)
        self.reads_argv |= any(getattr(node, "attr", "") == "argv" for node in nodes)
        self.reads_wandb_config |= b"wandb" in text and _reads_wandb_config(nodes)
        self.asks_by_calls |= any(word in text for word in _ASKING)
        self.has_reports |= any(word in text for word in _REPORTING_WORDS)
        self.own_options.update(name.decode() for name in _OWN_OPTIONS if name in text)


def source_of(words: Sequence[str], folder: str, env: Mapping[str, str]) -> Source | None:
    """Return what stands in the Python script among the words of a command; None without one.

    Args:
        words: the program and what follows it, up to what differs between trials.
        folder: the working directory.
        env: in which it would run: PATH and PYTHONPATH say where things are found.
    """
    place = _script(words, folder, env)
    if place is None:
        return None
    script, root = place
    roots = [root, *(Path(folder, p) for p in env.get("PYTHONPATH", "").split(":") if p)]
    found = Source()
    waiting, seen = [script], set[Path]()
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
            found.is_readable &= path != script
            continue
        found.add(text, tree)
        for module, imported in _imports(tree, path, roots):
            found.packages.add(module.partition(".")[0])
            found.names.update(imported)
            found.reads_argv |= "argv" in imported
            waiting += _local_files(module, imported, roots)
    return found


def _is_parsing(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in _PARSER_CALLS


def _reads_wandb_config(nodes: Sequence[ast.AST]) -> bool:
    """Whether `config` of W&B or of one of its runs is read, under any name of the run."""
    runs = {"wandb", "wandb.run", "wandb.init"}
    for node in nodes:
        if isinstance(node, (ast.Assign, ast.NamedExpr)) and _is_init(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            runs.update(ast.unparse(target) for target in targets)
        elif isinstance(node, ast.withitem) and node.optional_vars and _is_init(node.context_expr):
            runs.add(ast.unparse(node.optional_vars))
        elif isinstance(node, ast.ImportFrom) and node.module == "wandb":
            runs.update(alias.name for alias in node.names if alias.name == "config")
    if "config" in runs:
        return True
    read = (node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "config")
    return any(ast.unparse(node.value).partition("(")[0] in runs for node in read)


def _is_init(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("wandb.init")


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
