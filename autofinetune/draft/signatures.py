"""Reads options that follow from the parameters of a function or the fields of a class.

So do fire, typer, tyro, jsonargparse, LightningCLI, HfArgumentParser, Tap, simple-parsing and
pyrallis.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autofinetune.draft.known import KNOWN_CLASSES
from autofinetune.draft.option import FLAG, UNKNOWN, Kind, ScriptOption, kind_of
from autofinetune.draft.parsers import SEVERAL
from autofinetune.draft.reach import Part, definition
from autofinetune.draft.values import text_of, value_of

_MOST_DEPTH = 4


@dataclass(frozen=True)
class Style:
    """How a tool makes options: names with dashes, booleans as flags, and a prefix."""

    has_dashes: bool = False
    has_flags: bool = False
    prefix: str = ""


_CALLS = {
    "Fire": Style(),
    "CLI": Style(),
    "auto_cli": Style(),
    "HfArgumentParser": Style(),
    "TrlParser": Style(),
    "cli": Style(has_dashes=True, has_flags=True),  # tyro
    "run": Style(has_dashes=True, has_flags=True),  # typer, defopt
    "command": Style(has_dashes=True, has_flags=True),  # of typer
    "add_arguments": Style(),  # simple-parsing
    "add_class_arguments": Style(),
    "parse": Style(),
    "wrap": Style(),  # pyrallis and draccus
}
_OWNERS = {
    "cli": {"tyro"},
    "run": {"typer", "defopt"},
    "parse": {"simple_parsing", "pyrallis", "draccus"},
    "wrap": {"pyrallis", "draccus"},
}
_LIGHTNING = (("model_class", "model."), ("datamodule_class", "data."))
_TRAINING = ("train", "fit", "main", "run", "finetune")


def signed(parts: Sequence[Part], part: Part) -> Iterator[ScriptOption]:
    """Yield the options that one module declares by functions and classes."""
    for node in part.nodes:
        if isinstance(node, ast.Call):
            yield from _of_call(parts, part, node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _of_decorated(parts, part, node)
        elif isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).rpartition(".")[2] in ("Tap", "TypedArgs") for base in node.bases
        ):
            yield from _fields(parts, part, node, Style(has_flags=True))


def _of_call(parts: Sequence[Part], part: Part, node: ast.Call) -> Iterator[ScriptOption]:
    text = ast.unparse(node.func)
    owner, _, called = text.rpartition(".")
    if called == "LightningCLI" or (called.endswith("CLI") and called != "CLI"):
        yield from _of_lightning(parts, node)
        return
    style = _CALLS.get(called)
    if style is None or called in ("command", "wrap"):
        return
    if called in _OWNERS and owner not in _OWNERS[called]:
        return
    targets = [*node.args, *(w.value for w in node.keywords if w.arg == "config_class")]
    if called == "Fire" and not targets:
        yield from _whole_module(parts, part, style)
    for target in targets[:1]:
        inner = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        for one in inner:
            yield from _options(parts, one, style)


def _of_decorated(
    parts: Sequence[Part], part: Part, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[ScriptOption]:
    """Yield the options of a command of typer, or of a function with a configuration."""
    for one in node.decorator_list:
        func = one.func if isinstance(one, ast.Call) else one
        owner, _, called = ast.unparse(func).rpartition(".")
        if called == "wrap" and owner in _OWNERS["wrap"]:
            for argument in node.args.args[:1]:
                if argument.annotation is not None:
                    yield from _options(parts, argument.annotation, Style())
        elif called == "command" and _is_typer(part, owner):
            several = sum(_decorates(part, owner, other) for other in part.nodes) > 1
            name = node.name.replace("_", "-") if several else ""
            for option in _parameters(parts, part, node, _CALLS["command"]):
                yield replace(option, command=name)


def _is_typer(part: Part, owner: str) -> bool:
    for node in part.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            is_app = ast.unparse(node.value.func).endswith("Typer")
            if is_app and any(ast.unparse(target) == owner for target in node.targets):
                return True
    return False


def _decorates(part: Part, owner: str, node: ast.AST) -> bool:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return any(
        ast.unparse(one.func if isinstance(one, ast.Call) else one) == f"{owner}.command"
        for one in node.decorator_list
    )


def _of_lightning(parts: Sequence[Part], node: ast.Call) -> Iterator[ScriptOption]:
    given = {word.arg: word.value for word in node.keywords if word.arg}
    for (name, prefix), positional in itertools.zip_longest(_LIGHTNING, node.args[:2]):
        target = given.get(name, positional)
        if target is not None:
            for option in _options(parts, target, Style(prefix=prefix)):
                yield replace(option, command="" if _runs_not(given) else "fit")


def _runs_not(given: dict[str, ast.expr]) -> bool:
    return "run" in given and value_of(given["run"], {}) is False


def _whole_module(parts: Sequence[Part], part: Part, style: Style) -> Iterator[ScriptOption]:
    """Yield the options of the function that trains, for a `Fire()` of all functions."""
    for name in _TRAINING:
        node = part.definitions.get(name)
        if isinstance(node, ast.FunctionDef):
            for option in _parameters(parts, part, node, style):
                yield replace(option, command=name)
            return


def _options(
    parts: Sequence[Part], target: ast.expr, style: Style, depth: int = 0
) -> Iterator[ScriptOption]:
    """Yield the options of the function or class that an expression names."""
    found = definition(parts, target)
    name = ast.unparse(target).rpartition(".")[2]
    if found is None or depth > _MOST_DEPTH:
        yield from _known(name, style)
        return
    part, node = found
    if isinstance(node, ast.ClassDef):
        yield from _fields(parts, part, node, style, depth)
    else:
        yield from _parameters(parts, part, node, style)


def _known(name: str, style: Style) -> Iterator[ScriptOption]:
    for option in KNOWN_CLASSES.get(name, ()):
        yield replace(option, name=f"{style.prefix}{option.name}")


# --- parameters of functions --------------------------------------------------------------------


def _parameters(
    parts: Sequence[Part],
    part: Part,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    style: Style,
) -> Iterator[ScriptOption]:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    pairs = [*zip(positional, [*missing, *given.defaults], strict=True),
             *zip(given.kwonlyargs, given.kw_defaults, strict=True)]  # fmt: skip
    for parameter, default in pairs:
        if parameter.arg not in ("self", "cls"):
            option = _option(part, parameter.arg, parameter.annotation, default, style)
            yield replace(option, is_required=default is None)


# --- fields of classes --------------------------------------------------------------------------


def _fields(
    parts: Sequence[Part], part: Part, node: ast.ClassDef, style: Style, depth: int = 0
) -> Iterator[ScriptOption]:
    """Yield the options of a class: its annotated fields, or else the parameters of `__init__`."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            yield from _parameters(parts, part, inner, style)
            return
    followers: list[ast.stmt | None] = [*node.body[1:], None]
    for inner, after in zip(node.body, followers, strict=True):
        if not isinstance(inner, ast.AnnAssign) or not isinstance(inner.target, ast.Name):
            continue
        name = inner.target.id
        nested = definition(parts, inner.annotation)
        if nested and isinstance(nested[1], ast.ClassDef) and _is_fields(nested[1]):
            prefix = f"{style.prefix}{_shown(name, style)}."
            yield from _options(parts, inner.annotation, replace(style, prefix=prefix), depth + 1)
            continue
        option = _option(part, name, inner.annotation, inner.value, style)
        if not option.text and isinstance(after, ast.Expr):  # a text after the field
            option = replace(option, text=" ".join(text_of(after.value, {}).split()))
        yield option
    for base in node.bases:
        found = definition(parts, base)
        if found is not None and found[1] is node:  # a class named after its base
            yield from _known(node.name, style)
        else:
            yield from _options(parts, base, style, depth + 1)


def _is_fields(node: ast.ClassDef) -> bool:
    return any(isinstance(inner, ast.AnnAssign) for inner in node.body)


def _shown(name: str, style: Style) -> str:
    return name.replace("_", "-") if style.has_dashes else name


def _option(
    part: Part, name: str, annotation: ast.expr | None, value: ast.expr | None, style: Style
) -> ScriptOption:
    annotation, extra = _unwrapped(annotation)
    default, text = _default(part, value)
    text = text or _help_in(part, extra)
    kind, choices = _kind(part, annotation)
    kind = kind or kind_of(default)
    obstacle = ""
    if kind == "bool" and style.has_flags:
        obstacle = FLAG
    elif isinstance(default, list) or (annotation and _is_list(annotation)):
        obstacle = SEVERAL
    return ScriptOption(
        f"{style.prefix}{_shown(name, style)}",
        (),
        kind,
        default,
        choices,
        text,
        obstacle,
        is_required=value is None,
    )


def _default(part: Part, value: ast.expr | None) -> tuple[Any, str]:
    """Return the default of a parameter or field, and its help text."""
    if isinstance(value, ast.Call):
        words = {word.arg: word.value for word in value.keywords if word.arg}
        text = _help_in(part, value)
        if "default" in words:
            return value_of(words["default"], part.names), text
        first = value.args[0] if value.args else None
        called = ast.unparse(value.func).rpartition(".")[2]
        if first is not None and called in ("Option", "Argument"):  # of typer
            default = value_of(first, part.names)
            return (None if isinstance(first, ast.Constant) and first.value is ... else default,
                    text)  # fmt: skip
        found = value_of(value, part.names)
        return found, text
    return (None if value is None else value_of(value, part.names)), ""


def _help_in(part: Part, node: ast.expr | None) -> str:
    """Return the `help` in a call, or in its `metadata`."""
    if not isinstance(node, ast.Call):
        return ""
    words = {word.arg: word.value for word in node.keywords if word.arg}
    if "metadata" in words:
        inner = words["metadata"]
        if isinstance(inner, ast.Dict):
            for key, value in zip(inner.keys, inner.values, strict=True):
                if key is not None and text_of(key, {}) == "help":
                    return " ".join(text_of(value, part.names).split())
        return _help_in(part, inner)
    text = text_of(words.get("help", words.get("description")), part.names)
    return " ".join(text.split())


def _unwrapped(annotation: ast.expr | None) -> tuple[ast.expr | None, ast.expr | None]:
    """Return the type in `Annotated[...]`, and what annotates it."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None, None
    is_nested = isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple)
    if is_nested and ast.unparse(annotation.value).endswith("Annotated"):  # type: ignore[union-attr]
        inner = annotation.slice.elts  # type: ignore[union-attr]
        calls = [one for one in inner[1:] if isinstance(one, ast.Call)]
        return inner[0], calls[0] if calls else None
    return annotation, None


def _is_list(annotation: ast.expr) -> bool:
    text = ast.unparse(annotation).replace("typing.", "").removeprefix("Optional[").lower()
    return text.startswith(("list", "tuple", "dict", "sequence"))


def _kind(part: Part, annotation: ast.expr | None) -> tuple[Kind, tuple[Any, ...]]:
    """Return the kind of an annotated value, and its choices."""
    if annotation is None:
        return "", ()
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
            values = value_of(node.slice, part.names)
            values = values if isinstance(values, list) else [values]
            if UNKNOWN not in values and values:
                return kind_of(values[0]), tuple(one for one in values if one is not None)
    words = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    for kind in ("float", "int", "bool", "str"):
        if kind in words:
            return kind, ()
    return "", ()
