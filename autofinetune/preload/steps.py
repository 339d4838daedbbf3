"""Decides what to import once for all trials, from `--preload=torch,transformers` or the script.

The result is a list of steps: `module`, or `module:name` for `from module import name`, either
followed by `?` if it may fail; `NAME=value` for an environment variable that the script sets
before an import, or `NAME?=value` if it only sets it when unset; and `!` followed by a call of
`warnings.filterwarnings` or `warnings.simplefilter` in the script.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

AUTO, NONE = "auto", "none"
_WORD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?\Z")
# Modules that read the trial's environment during their import.
_EACH_TRIAL_ITSELF = frozenset({"nni"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})
# Calls that do not affect later imports, as scripts write them.
_HARMLESS_CALL = re.compile(
    r"(logging\.getLogger|os\.getenv|os\.environ\.get|os\.path\.\w+|re\.compile|namedtuple|"
    r"collections\.namedtuple|(typing\.)?TypeVar|(pathlib\.)?Path|dict|list|set|tuple|frozenset|"
    r"range|int|float|str|bool|len|(dataclasses\.)?(dataclass|field))\Z"
)
_HARMLESS_DECORATOR = re.compile(
    r"property|staticmethod|classmethod|\w+\.(setter|getter|deleter)|(dataclasses\.)?dataclass|"
    r"(abc\.)?abstractmethod|(contextlib\.)?contextmanager|(typing\.)?(overload|final)|"
    r"(functools\.)?(wraps|cache|lru_cache|cached_property|singledispatch|total_ordering)|"
    r"torch\.(no_grad|inference_mode)"
)
_FILTER = re.compile(r"warnings\.(filterwarnings|simplefilter)\Z")


def words_of(option: str) -> tuple[str, ...]:
    """Return the modules that `--preload` names; empty for `auto` and `none`."""
    return () if option in (AUTO, NONE) else tuple(re.split(r"[,\s]+", option.strip(", ")))


def imports_among(steps: Sequence[str]) -> list[str]:
    """Return the steps that import something, not those that prepare it."""
    return [step for step in steps if "=" not in step and not step.startswith("!")]


def mistakes(option: str, script: Path) -> Iterator[str]:
    """Yield what is wrong with a value of `--preload`, without importing anything."""
    for word in words_of(option):
        name = word.partition(":")[0]
        if not _WORD.match(word):
            yield f"{word!r} is not a module name; write for instance torch,transformers"
        elif _is_local(name, script):
            yield (f"{name} lies beside the script, where it may change; name installed modules")
        elif name.partition(".")[0] in _EACH_TRIAL_ITSELF:
            yield f"each trial has to import {name} itself; leave it out"
        elif _find(name) is None:
            yield f"there is no module {name}; install it, or leave it out"


def steps_of(option: str, script: Path) -> tuple[tuple[str, ...], str]:
    """Return the steps, and why imports of the script are left out, or an empty string."""
    if option != AUTO:
        return words_of(option), ""
    try:
        module = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        return (), f"{script.name} cannot be read ({error})"
    reader = _Reader(script)
    reader.read(module.body, is_certain=True)
    steps = tuple(dict.fromkeys(reader.steps))
    if not imports_among(steps):
        return (), reader.note() or f"{script.name} imports nothing that is installed"
    return steps, reader.note()


class _Reader:
    """Collects the imports of a script, up to the first statement that may affect later ones."""

    def __init__(self, script: Path, seen: frozenset[str] = frozenset()) -> None:
        self.script = script
        self._seen = seen  # modules beside the script that are being read
        self.steps: list[str] = []
        self.stopped_at = 0  # the line of the first statement that may affect later imports
        self.left_out: list[str] = []

    def note(self) -> str:
        if not self.left_out:
            return ""
        return (
            f"{', '.join(dict.fromkeys(self.left_out))} is imported after line {self.stopped_at} "
            f"of {self.script.name}, which may affect it; if it does not, name it in --preload"
        )

    def read(self, body: Sequence[ast.stmt], *, is_certain: bool, is_taken: bool = True) -> None:
        """Read statements, which always run if `is_certain`.

        Their imports become steps if `is_taken`; those of a branch that may not run are left to
        the trials.
        """
        for node in body:
            setting = _setting(node) if is_certain and not self.stopped_at else ""
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._take(node, is_certain=is_certain, is_taken=is_taken)
            elif setting:
                self.steps.append(setting)
            elif isinstance(node, ast.If):
                # Imports for type checkers are not executed.
                is_run = "TYPE_CHECKING" not in ast.unparse(node.test)
                branches = [*(node.body if is_run else ()), *node.orelse]
                if _calls(node.test) or any(map(_loads, branches)):
                    self._stop_at(node)
                self.read(branches, is_certain=False, is_taken=False)
            elif isinstance(node, ast.Try):
                handlers = [statement for handler in node.handlers for statement in handler.body]
                self.read(node.body, is_certain=False, is_taken=is_taken)
                self.read([*handlers, *node.orelse], is_certain=False, is_taken=False)
                self.read(node.finalbody, is_certain=False, is_taken=is_taken)
            elif not _is_harmless(node):
                self._stop_at(node)

    def _stop_at(self, node: ast.stmt) -> None:
        self.stopped_at = self.stopped_at or node.lineno

    def _take(
        self, node: ast.Import | ast.ImportFrom, *, is_certain: bool, is_taken: bool
    ) -> None:
        if self._seen and isinstance(node, ast.ImportFrom) and node.level:
            self._stop_at(node)  # relative imports are not followed
        for step in _steps(node):
            name = step.partition(":")[0]
            top = name.partition(".")[0]
            is_local = _is_local(top, self.script)
            if not is_local and (top in _EACH_TRIAL_ITSELF or _find(top) is None):
                continue
            if is_local or not is_installed(top):
                if not (self.stopped_at or self._only_defines(name)):
                    self._stop_at(node)
            elif not is_taken:
                continue
            elif self.stopped_at:
                self.left_out.append(top)
            else:
                self.steps.append(step if is_certain else f"{step}?")

    def _only_defines(self, name: str) -> bool:
        """Whether a module of the user's changes nothing outside itself.

        Only single-file modules are read, including those that they import.
        """
        if name in self._seen:
            return True
        path = self.script.resolve().parent / f"{name}.py"
        if not _is_local(name, self.script):
            spec = _find(name)
            path = Path((spec and spec.origin) or "")
            if "." in name or path.stem == "__init__":  # packages are not followed
                return False
        try:
            body = ast.parse(path.read_bytes()).body
        except (OSError, SyntaxError, ValueError, RecursionError):
            return False
        reader = _Reader(path, self._seen | {name})
        reader.read(body, is_certain=True)
        return not reader.stopped_at and imports_among(reader.steps) == reader.steps


def _steps(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level or not node.module or node.module == "__future__":
        return []
    names = [alias.name for alias in node.names]
    return [node.module if name == "*" else f"{node.module}:{name}" for name in names]


def _setting(node: ast.stmt) -> str:
    """Return a statement that prepares later imports as a step, or an empty string.

    These are `os.environ["NAME"] = "value"`, `os.environ.setdefault("NAME", "value")` and warning
    filters.
    """
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "os.environ":
            return _pair([target.slice, node.value], "=")
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and ast.unparse(call.func) == "os.environ.setdefault":
        return _pair(call.args, "?=")
    if isinstance(call, ast.Call) and _FILTER.match(ast.unparse(call.func)):
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        return f"!{ast.unparse(call)}" if all(map(_is_literal, values)) else ""
    return ""


def _is_literal(node: ast.expr) -> bool:
    """Whether it is a constant or a built-in warning category."""
    kinds = isinstance(node, ast.Name) and getattr(builtins, node.id, None)
    return isinstance(node, ast.Constant) or (
        isinstance(kinds, type) and issubclass(kinds, Warning)
    )


def _pair(nodes: Sequence[ast.expr], sign: str) -> str:
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return sign.join(texts) if len(texts) == len(nodes) == 2 and "=" not in texts[0] else ""


def _is_harmless(node: ast.stmt) -> bool:
    """Whether a statement, judged by its form, cannot affect later imports."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        inner = [n for target in targets for n in ast.walk(target)]
        is_name = not any(isinstance(n, (ast.Attribute, ast.Subscript)) for n in inner)
        return is_name and (node.value is None or not _calls(node.value))
    if isinstance(node, ast.ClassDef):
        outside = [*node.bases, *(keyword.value for keyword in node.keywords)]
        inside = all(map(_is_harmless, node.body))
        return inside and not any(map(_calls, outside)) and _has_harmless_decorators(node)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        defaults = [value for value in (*node.args.defaults, *node.args.kw_defaults) if value]
        return not any(map(_calls, defaults)) and _has_harmless_decorators(node)
    return isinstance(node, ast.Pass)


def _has_harmless_decorators(
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> bool:
    """Whether all decorators are harmless; each is called, even without parentheses."""
    names = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return all(_HARMLESS_DECORATOR.fullmatch(ast.unparse(name)) for name in names)


def _loads(node: ast.stmt) -> bool:
    """Whether it may import an installed package, on which later imports may depend."""
    imports = (n for n in ast.walk(node) if isinstance(n, (ast.Import, ast.ImportFrom)))
    tops = {step.partition(":")[0].partition(".")[0] for n in imports for step in _steps(n)}
    return any(top not in sys.stdlib_module_names and is_installed(top) for top in tops)


def _calls(node: ast.expr) -> bool:
    """Whether it makes a call that may have effects now, so not inside a lambda."""
    if isinstance(node, ast.Lambda):
        return False
    if isinstance(node, ast.Call) and not _HARMLESS_CALL.match(ast.unparse(node.func)):
        return True
    return any(
        _calls(inner) for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.expr)
    )


# --- where modules lie --------------------------------------------------------------------------


def _is_local(name: str, script: Path) -> bool:
    """Whether this module is in the script's directory; a folder without `__init__` is not."""
    folder = str(script.resolve().parent)
    spec = PathFinder.find_spec(name.partition(".")[0], [folder])
    return spec is not None and spec.origin is not None


def _find(name: str) -> ModuleSpec | None:
    """Find the spec of a module without importing its parent packages."""
    top, *inner = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # loaded without a spec
        return None
    path = top
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return None
        path = f"{path}.{part}"
        spec = PathFinder.find_spec(path, list(spec.submodule_search_locations))
    return spec


def is_installed(top: str) -> bool:
    """Whether it is installed or part of Python; others may change during the run."""
    spec = _find(top)
    if spec is None:
        return False
    if top in (*sys.stdlib_module_names, "autofinetune"):
        return True
    places = [spec.origin, *(spec.submodule_search_locations or ())]
    return any(_INSTALLED & set(Path(place).parts) for place in places if place)
