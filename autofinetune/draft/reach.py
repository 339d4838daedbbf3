"""The parts of a script and its local modules that can declare its options.

A module beside the script may be a script itself, with a parser of its own. So of another module
only what the script refers to counts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autofinetune.draft.values import Names, constants
from autofinetune.run.script_source import Module

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Part:
    """A module: its constants, its definitions at the top level, and the nodes that count."""

    module: Module
    names: Names
    definitions: dict[str, _Definition]
    nodes: list[ast.AST] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)


def parts_of(modules: Iterable[Module]) -> Sequence[Part]:
    """Return the parts of all readable modules, the script first."""
    parts = [_part(module) for module in modules if module.tree is not None]
    everywhere = {name: value for part in reversed(parts) for name, value in part.names.items()}
    for part in parts:  # constants may be imported
        part.names = {**everywhere, **part.names}
    for part in parts:
        if part.module.is_script:
            part.nodes = list(part.module.nodes)
            part.reached = set(part.definitions)
    wanted = {
        name for part in parts if part.module.is_script
        for name in _mentioned(part.nodes) - part.definitions.keys()
    }  # fmt: skip
    while sum(_extend(part, wanted) for part in parts):
        pass
    return parts


def _part(module: Module) -> Part:
    assert module.tree is not None
    definitions = {node.name: node for node in module.tree.body if isinstance(node, _Definition)}
    part = Part(module, constants(module.tree), definitions)
    if not module.is_script:
        for node in module.tree.body:
            if not isinstance(node, (ast.If, _Definition)):  # an `if` is that of a main program
                part.nodes += ast.walk(node)
    return part


def _extend(part: Part, wanted: set[str]) -> bool:
    """Add the definitions that are wanted and not reached; return whether there were any."""
    new = [name for name in part.definitions if name in wanted and name not in part.reached]
    for name in new:
        part.reached.add(name)
        nodes = list(ast.walk(part.definitions[name]))
        part.nodes += nodes
        wanted |= _mentioned(nodes)
    return bool(new)


def _mentioned(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that are read, called or imported."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
    return found


def definition(parts: Sequence[Part], node: ast.expr) -> tuple[Part, _Definition] | None:
    """Return the function or class that an expression names, or None if it is not local."""
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    for part in parts:
        if name in part.definitions:
            return part, part.definitions[name]
    return None
