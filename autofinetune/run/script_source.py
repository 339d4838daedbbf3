"""Find out how a Python script uses options, hyperparameters and scores, without running it.

A script without an option parser ignores `--help` and starts to train, so only scripts with a
parser are run with `--help`.
"""

from __future__ import annotations

import ast
import itertools
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PARSERS = frozenset({
    "absl", "argparse", "click", "clize", "configargparse", "defopt", "docopt", "fire", "getopt",
    "hydra", "jsonargparse", "optparse", "plac", "simple_parsing", "tap", "typer", "tyro",
})  # fmt: skip
_PARSER_NAMES = frozenset({"ArgumentParser", "HfArgumentParser", "LightningCLI"})
_PARSER_CALLS = frozenset({"parse_args", "parse_known_args", "parse_args_into_dataclasses"})
# The calls with which scripts for NNI and TensorStack get their hyperparameters.
_ASKING = (b"get_next_parameter", b"get_current_parameter", b"AUTOFINETUNE_PARAMS")
# Libraries that can report a score.
_REPORTING = frozenset({
    "accelerate", "autofinetune", "hydra", "keras", "lightgbm", "lightning", "mlflow", "nni",
    "paddle", "paddlehub", "pytorch_lightning", "ray", "t9k", "tensorboard", "tensorboardX",
    "tensorflow", "tf_keras", "transformers", "visualdl", "wandb", "xgboost",
})  # fmt: skip
_REPORTING_WORDS = (b"AUTOFINETUNE_REPORT_FILE", b"autofinetune report-", b"AutoFinetuneEval",
                    b"SummaryWriter", b"report_final_result")  # fmt: skip
_OWN_OPTIONS = (b"saved_params_dir", b"model_path")
_MOST_FILES = 1000


@dataclass
class Source:
    """The findings about a script and the local modules that it imports.

    `packages` has the top-level names of imported packages, and `names` what is imported from
    them. `own_options` has those of our options that are mentioned. `is_readable` is false for a
    script that is not valid Python.
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
        """Whether it has an option parser."""
        return self._has_other_parser or "hydra" in self.packages

    @property
    def is_hydra(self) -> bool:
        """Whether its options are Hydra overrides."""
        return "hydra" in self.packages and not self._has_other_parser

    @property
    def _has_other_parser(self) -> bool:
        found = (_PARSERS - {"hydra"}) & self.packages or _PARSER_NAMES & self.names
        return self.has_parser_calls or bool(found)

    @property
    def asks_for_parameters(self) -> bool:
        """Whether it gets hyperparameters by calls to another tool."""
        return self.reads_wandb_config or self.asks_by_calls

    @property
    def may_report(self) -> bool:
        """Whether it reports a score or uses a library that logs scores."""
        return self.has_reports or bool(_REPORTING & self.packages)

    def add(self, text: bytes, nodes: Sequence[ast.AST]) -> None:
        """Add the findings about one file, except its imports."""
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        self.has_parser_calls |= any(map(_is_of_parser, attributes))
        self.reads_argv |= any(node.attr == "argv" for node in attributes)
        self.reads_wandb_config |= b"wandb" in text and _reads_wandb_config(nodes)
        self.asks_by_calls |= any(word in text for word in _ASKING)
        self.has_reports |= any(word in text for word in _REPORTING_WORDS)
        self.own_options.update(name.decode() for name in _OWN_OPTIONS if name in text)


@dataclass(frozen=True)
class Module:
    """A script, or a module beside it that it imports.

    `nodes` are all nodes of its `tree`, in the order of `ast.walk`. Without a tree it is not valid
    Python; then `error` says why, after `:line:column`.
    """

    path: Path
    is_script: bool
    text: bytes = b""
    tree: ast.Module | None = None
    nodes: Sequence[ast.AST] = ()
    error: str = ""
    imports: Sequence[tuple[str, Sequence[str]]] = ()
    """The full name of each imported module, and the names imported from it."""


def source_of(words: Sequence[str], folder: str, env: Mapping[str, str]) -> Source | None:
    """Return the findings about the Python script in a command, or None if there is none.

    `words` are the program and its arguments, up to those that differ between trials; of `env`
    PATH and PYTHONPATH are used.
    """
    return findings_in(modules_of(words, folder, env))


def findings_in(modules: Iterable[Module]) -> Source | None:
    """Return the findings about the modules that `modules_of` yields, or None without any."""
    found: Source | None = None
    for module in modules:
        found = found or Source()
        if module.tree is None:
            found.is_readable &= not module.is_script
            continue
        found.add(module.text, module.nodes)
        for name, imported in module.imports:
            found.packages.add(name.partition(".")[0])
            found.names.update(imported)
            found.reads_argv |= "argv" in imported
    return found


def modules_of(words: Sequence[str], folder: str, env: Mapping[str, str]) -> Iterator[Module]:
    """Yield the Python script in a command, then the local modules that it imports.

    Nothing is yielded if there is none. The arguments are those of `source_of`.
    """
    place = _script(words, folder, env)
    if place is None:
        return
    script, root = place
    roots = [root, *(Path(folder, p) for p in env.get("PYTHONPATH", "").split(":") if p)]
    waiting, seen = [script], set[Path]()
    while waiting and len(seen) < _MOST_FILES:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        module = _module(path, roots, is_script=path == script)
        yield module
        for name, imported in module.imports:
            if name.partition(".")[0] not in _REPORTING | _PARSERS:  # nor a checkout of a library
                waiting += _local_files(name, imported, roots)
        waiting += [Path(folder, name) for name in _executed(module.nodes)]


def _module(path: Path, roots: Sequence[Path], *, is_script: bool) -> Module:
    try:
        text = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the user's strings
            tree = ast.parse(text)
        nodes = list(ast.walk(tree))
        imports = list(_imports(nodes, path, roots))
        return Module(path, is_script, text, tree, nodes, imports=imports)
    except SyntaxError as error:
        why = f":{error.lineno or 1}:{error.offset or 1} not valid Python: {error.msg}"
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        why = f":1:1 not valid Python: {error or type(error).__name__}"
    return Module(path, is_script, error=why)


def _executed(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the name of each file that is run in place, as by `exec(open("file.py").read())`."""
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "exec" and node.args:
            for inner in ast.walk(node.args[0]):
                if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "open":
                    yield from (
                        str(arg.value) for arg in inner.args[:1] if isinstance(arg, ast.Constant)
                    )


def _reads_wandb_config(nodes: Sequence[ast.AST]) -> bool:
    """Return whether the `config` of wandb, or of a run under any name, is read."""
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
    """Return the script and the directory of its local modules.

    The script is a .py file, a module after -m, or a program written in Python.
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
    nodes: Sequence[ast.AST], path: Path, roots: Sequence[Path]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the full name of each imported module and the names imported from it.

    A module with an option parser that is imported but not used is left out.
    """
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                if top not in _PARSERS or (alias.asname or top) in used:
                    yield alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = _package(path, roots)[: -(node.level - 1) or None]
                module = ".".join([*package, *([module] if module else [])])
            yield module, [alias.name for alias in node.names]


def _package(path: Path, roots: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of the packages that contain a file, relative to an import root."""
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).parts[:-1]
    return ()


def _local_files(module: str, names: Sequence[str], roots: Sequence[Path]) -> Iterator[Path]:
    """Yield the local files of a module; imported names may be submodules."""
    parts = [part for part in module.split(".") if part]
    for root in roots:
        for place in (root.joinpath(*parts), *(root.joinpath(*parts, name) for name in names)):
            for file in (place.parent / f"{place.name}.py", place / "__init__.py"):
                if file.is_file():
                    yield file


def _is_of_parser(node: ast.Attribute) -> bool:
    """Return whether a parser is called, or a node is `tf.app.flags`, which is not a module."""
    is_flags = node.attr == "flags" and ast.unparse(node.value).endswith((".app", ".v1"))
    return is_flags or node.attr in _PARSER_CALLS
