"""The packages that a script imports, and whether it always does."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from autofinetune.adapters.layer import OFFERED
from autofinetune.run.script_source import Module


class Needed(Enum):
    """When a script imports a package; with `MAYBE`, it handles that it is missing."""

    ALWAYS = 0
    LATER = 1
    MAYBE = 2


def needed_packages(modules: Iterable[Module]) -> Mapping[str, Needed]:
    """Return the top-level packages that modules import, each with when they are needed.

    The standard library and the stand-ins of a trial are left out.
    """
    found: dict[str, Needed] = {}
    for module in modules:
        if module.tree is not None:
            for name, needed in _imported(module.tree.body, Needed.ALWAYS):
                known = sys.stdlib_module_names | set(OFFERED)
                if name not in known:
                    found[name] = min(needed, found.get(name, needed), key=lambda one: one.value)
    return found


def _imported(body: Iterable[ast.AST], needed: Needed) -> Iterator[tuple[str, Needed]]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], needed) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level and node.module:
                yield node.module.partition(".")[0], needed
        else:
            inner = needed
            if isinstance(node, ast.Try):
                inner = Needed.MAYBE
            elif isinstance(node, (ast.If, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                inner = max(needed, Needed.LATER, key=lambda one: one.value)
            yield from _imported(ast.iter_child_nodes(node), inner)
