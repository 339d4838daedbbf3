"""Reads options of scripts without a parser: configurations and dictionaries."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.draft.option import UNKNOWN, ScriptOption, kind_of
from autofinetune.draft.reach import Part
from autofinetune.draft.values import constants, text_of, value_of
from autofinetune.errors import AutofinetuneError
from autofinetune.space import parse_yaml, read_yaml

_ASKING = ("get_next_parameter", "get_current_parameter")
_NOT_OURS = ("hydra", "defaults")


# --- Hydra --------------------------------------------------------------------------------------


def in_job(output: str) -> list[ScriptOption]:
    """Return the options in the output of a script that ran with `--cfg job`."""
    try:
        document = parse_yaml(output.encode(), "--cfg job")
    except AutofinetuneError:
        return []
    return list(_flat(document.value))


def in_files(parts: Sequence[Part]) -> list[ScriptOption]:
    """Return the options in the configuration that `hydra.main` names, and in its defaults."""
    found: dict[str, ScriptOption] = {}
    for part in parts:
        for node in part.nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("hydra.main"):
                given = {word.arg: word.value for word in node.keywords}
                folder = text_of(given.get("config_path"), part.names) or "."
                name = text_of(given.get("config_name"), part.names)
                root = part.module.path.parent / folder
                for option in _of_file(root, name, "", set()):
                    found[option.name] = option
    return list(found.values())


def _of_file(root: Path, name: str, prefix: str, seen: set[str]) -> Iterator[ScriptOption]:
    """Yield the options of one file and of the files among its defaults, in Hydra's order."""
    path = root / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if not name or str(path) in seen or not path.resolve().is_relative_to(root.resolve()):
        return
    seen.add(str(path))
    try:
        document = read_yaml(path)
    except AutofinetuneError:
        return
    content = document.value if isinstance(document.value, Mapping) else {}
    if "@package _global_" in document.text[:200]:
        prefix = ""
    defaults = content.get("defaults")
    entries = defaults if isinstance(defaults, list) else []
    for entry in entries if "_self_" in entries else [*entries, "_self_"]:
        if entry == "_self_":
            yield from _flat(content, prefix)
        elif isinstance(entry, str):
            yield from _of_file(root, entry, prefix, seen)
        elif isinstance(entry, Mapping):
            for group, option in entry.items():
                word = str(group).split()[0] if str(group).split() else ""
                if isinstance(option, str) and word not in (
                    "",
                    *_NOT_OURS,
                    "optional",
                    "override",
                ):
                    yield from _of_file(
                        root, f"{word}/{option}", f"{word.replace('/', '.')}.", seen
                    )


def _flat(value: Any, prefix: str = "") -> Iterator[ScriptOption]:
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if not prefix and key in _NOT_OURS:
            continue
        name = f"{prefix}{key}"
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{name}.")
        elif not isinstance(inner, list) and not key.startswith("_"):
            is_reference = isinstance(inner, str) and "${" in inner
            why = "it follows from another one" if is_reference else ""
            is_required = inner == "???"
            default = None if is_required else inner
            yield ScriptOption(name, (), kind_of(default), default, obstacle=why,
                               is_required=is_required)  # fmt: skip


# --- hyperparameters that a script asks another tool for, or sets at its top level ---------------


def in_dictionaries(part: Part) -> Iterator[ScriptOption]:
    """Yield the defaults that a script gives to W&B, or updates by those of another tool."""
    for node in part.nodes:
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given: ast.expr | None = None
        if called.endswith(("wandb.init", "config.setdefaults")):
            words = {word.arg: word.value for word in node.keywords}
            given = words.get("config", node.args[0] if "setdefaults" in called else None)
        elif called.endswith(".update") and node.args and _asks(node.args[0]):
            assert isinstance(node.func, ast.Attribute)
            given = node.func.value
        yield from _entries(part, given)


def _asks(node: ast.expr) -> bool:
    return any(name in ast.unparse(node) for name in _ASKING)


def _entries(part: Part, given: ast.expr | None) -> Iterator[ScriptOption]:
    if isinstance(given, ast.Name):  # defined somewhere in the module
        assigned = [
            node.value for node in part.module.nodes
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == given.id
        ]  # fmt: skip
        given = assigned[0] if assigned else None
    if isinstance(given, ast.Call) and ast.unparse(given.func) == "dict":
        found = {word.arg: value_of(word.value, part.names) for word in given.keywords}
    else:
        value = value_of(given, part.names) if isinstance(given, ast.Dict) else UNKNOWN
        found = value if isinstance(value, dict) else {}
    for name, default in found.items():
        if isinstance(name, str):
            yield ScriptOption(name, (), kind_of(default), default)


def in_globals(part: Part) -> Iterator[ScriptOption]:
    """Yield the top-level constants of a script that lets another file replace them by `exec`."""
    tree = part.module.tree
    assert tree is not None
    comments = part.module.text.decode(errors="replace").splitlines()
    for node in tree.body:
        if "exec(" in ast.unparse(node)[:200] and isinstance(node, ast.Expr):
            return
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            value = constants(ast.Module([node], [])).get(name, UNKNOWN)
            if value is UNKNOWN and isinstance(node.value, (ast.BinOp, ast.Constant)):
                value = value_of(node.value, part.names)
            if value is not UNKNOWN and kind_of(value) and not name.startswith("_"):
                text = comments[node.lineno - 1].partition("#")[2].strip()
                yield ScriptOption(name, (), kind_of(value), value, text=text)
