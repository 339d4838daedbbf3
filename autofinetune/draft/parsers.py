"""Reads options that a script declares by calls: argparse, optparse, click, absl and others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from autofinetune.draft.option import FLAG, Kind, ScriptOption, kind_of
from autofinetune.draft.reach import Part
from autofinetune.draft.values import Names, text_of, value_of

_ADDING = ("add_argument", "add_option", "add_arg", "add")  # argparse, optparse, configargparse
_FLAGS = re.compile(r"store_(true|false|const)|append_const|count|help|version|BooleanOptional")
_ABSL: Mapping[str, Kind] = {
    "DEFINE_float": "float", "DEFINE_integer": "int", "DEFINE_bool": "bool",
    "DEFINE_boolean": "bool", "DEFINE_string": "str", "DEFINE_enum": "str",
    "DEFINE_list": "", "DEFINE_multi_string": "",
}  # fmt: skip
NO_NAME = "it is an argument without a name"
SEVERAL = "it takes several values"
ONLY_SHORT = "it has no long name, and trials pass --name=value"


def declared(part: Part) -> Iterator[ScriptOption]:
    """Yield the options that one module declares by calls."""
    commands, defaults = _commands(part), _later_defaults(part)
    functions = _commands_of_click(part)
    for node in part.nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        option = None
        if called in _ADDING and isinstance(node.func, ast.Attribute):
            receiver = ast.unparse(node.func.value)
            option = _of_argparse(node, part.names, commands.get(receiver, ""))
            if option is not None and _dest(option, node, part.names) in defaults:
                option = replace(option, default=defaults[_dest(option, node, part.names)])
        elif called == "option" and node.args and ast.unparse(node.func) != "parser.option":
            option = _of_click(node, part.names, functions.get(id(node), ""))
        elif called in _ABSL:
            option = _of_absl(node, called, part.names)
        if option is not None:
            yield option


def kind_of_type(node: ast.expr | None) -> Kind:
    """Return the kind that `type=` gives a value; `str` without one, empty for other functions."""
    if node is None:
        return "str"
    text = ast.unparse(node)
    name = re.split(r"[.(]", text)[-1] if "(" not in text else text.partition("(")[0]
    name = name.rpartition(".")[2].lower()
    if isinstance(node, ast.Lambda):
        converted = re.search(r"\b(int|float|str)\(", ast.unparse(node.body))
        # The outermost conversion decides: int(float(x)).
        return converted[1] if converted else ""  # type: ignore[return-value]
    if "bool" in name or name in ("strtobool", "boolean"):
        return "bool"
    for kind, words in _KINDS.items():
        if any(word in name for word in words):
            return kind
    return ""


_KINDS: Mapping[Kind, tuple[str, ...]] = {
    "float": ("float", "real", "number"),
    "int": ("int",),
    "str": ("str", "path", "filetype", "choice", "text"),
}


# --- argparse, configargparse and optparse ------------------------------------------------------


def _of_argparse(node: ast.Call, names: Names, command: str) -> ScriptOption | None:
    given = {word.arg: word.value for word in node.keywords if word.arg}
    written = [value_of(one, names) for one in node.args]
    words = [word for word in written if isinstance(word, str)]
    if not words or len(words) < len(written):
        return None
    longs = [word[2:] for word in words if word.startswith("--") and len(word) > 2]
    text = " ".join(text_of(given.get("help"), names).split())
    if not longs:
        name = words[0].lstrip("-")
        is_option = words[0].startswith("-")
        is_optional = is_option or text_of(given.get("nargs"), names) in ("?", "*")
        is_optional = is_optional or "default" in given
        why = ONLY_SHORT if is_option else NO_NAME
        return ScriptOption(
            name, text=text, obstacle=why, is_required=not is_optional, command=command
        )
    action = ast.unparse(given["action"]) if "action" in given else ""
    default = value_of(given["default"], names) if "default" in given else None
    choices = value_of(given.get("choices"), names)
    values = tuple(choices) if isinstance(choices, (list, dict)) else ()
    kind = kind_of_type(given.get("type"))
    obstacle = _obstacle(given, action, kind, default, names)
    return ScriptOption(
        longs[0],
        tuple(longs[1:]),
        kind if kind or "type" in given else "str",
        default,
        values,
        text,
        obstacle,
        is_required=value_of(given.get("required"), names) is True,
        command=command,
    )


def _obstacle(
    given: Mapping[str, ast.expr], action: str, kind: Kind, default: Any, names: Names
) -> str:
    if _FLAGS.search(action):
        return FLAG
    if "append" in action or ("nargs" in given and value_of(given["nargs"], names) != "?"):
        return SEVERAL
    if kind == "bool" and ast.unparse(given["type"]) == "bool":
        return "with type=bool every value counts as true, even False; use a function of your own"
    if "type" not in given and kind_of(default) in ("float", "int"):
        wanted = kind_of(default)
        return f"it lacks type={wanted}, so the script would get a text instead of a number"
    return ""


def _dest(option: ScriptOption, node: ast.Call, names: Names) -> str:
    given = {word.arg: word.value for word in node.keywords}
    return text_of(given.get("dest"), names) or option.name.replace("-", "_")


def _later_defaults(part: Part) -> Mapping[str, Any]:
    """Return the defaults given by `set_defaults`."""
    found: dict[str, Any] = {}
    for node in part.nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "set_defaults":
            found |= {word.arg: value_of(word.value, part.names) for word in node.keywords
                      if word.arg}  # fmt: skip
    return found


def _commands(part: Part) -> Mapping[str, str]:
    """Return the subcommand of each subparser by the name of its variable.

    The options of its `parents` are its own, too.
    """
    found: dict[str, str] = {}
    for node in part.nodes:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        call = node.value
        if getattr(call.func, "attr", "") == "add_parser" and call.args:
            name = text_of(call.args[0], part.names)
            for target in node.targets:
                found[ast.unparse(target)] = name
            for word in call.keywords:
                if word.arg == "parents" and isinstance(word.value, (ast.List, ast.Tuple)):
                    found |= {ast.unparse(one): name for one in word.value.elts}
    groups = [n for n in part.nodes if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
    for node in groups:
        func = node.value.func if isinstance(node.value, ast.Call) else None
        if isinstance(func, ast.Attribute) and "group" in func.attr:
            owner = ast.unparse(func.value)
            if owner in found:
                found |= {ast.unparse(target): found[owner] for target in node.targets}
    return found


# --- click --------------------------------------------------------------------------------------


def _of_click(node: ast.Call, names: Names, command: str) -> ScriptOption | None:
    given = {word.arg: word.value for word in node.keywords if word.arg}
    words = [text_of(one, names) for one in node.args]
    longs = [word[2:] for word in words if word.startswith("--")]
    if not longs:
        return None
    default = value_of(given["default"], names) if "default" in given else None
    is_flag = "/" in longs[0] or value_of(given.get("is_flag"), names) is True
    is_flag = is_flag or (isinstance(default, bool) and "type" not in given)
    is_several = "multiple" in given or "nargs" in given
    kind = kind_of_type(given.get("type")) if "type" in given else kind_of(default) or "str"
    return ScriptOption(
        longs[0].partition("/")[0],
        tuple(longs[1:]),
        kind,
        default,
        _click_choices(given.get("type"), names),
        " ".join(text_of(given.get("help"), names).split()),
        FLAG if is_flag else SEVERAL if is_several else "",
        is_required=value_of(given.get("required"), names) is True,
        command=command,
    )


def _click_choices(node: ast.expr | None, names: Names) -> tuple[Any, ...]:
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Choice") and node.args:
        values = value_of(node.args[0], names)
        return tuple(values) if isinstance(values, (list, dict)) else ()
    return ()


def _commands_of_click(part: Part) -> Mapping[int, str]:
    """Return the subcommand of each `option(...)` that decorates a command of a group."""
    found: dict[int, str] = {}
    for node in part.nodes:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        calls = [one for one in node.decorator_list if isinstance(one, ast.Call)]
        for call in calls:
            func = call.func
            if isinstance(func, ast.Attribute) and func.attr == "command":
                if ast.unparse(func.value) == "click":
                    continue
                named = text_of(call.args[0], part.names) if call.args else ""
                name = named or node.name.replace("_", "-")
                found |= {id(one): name for one in calls}
    return found


# --- absl and the flags of TensorFlow -----------------------------------------------------------


def _of_absl(node: ast.Call, called: str, names: Names) -> ScriptOption | None:
    given: dict[str, ast.expr] = dict(zip(("name", "default", "third", "help"), node.args,
                                          strict=False))  # fmt: skip
    given |= {word.arg: word.value for word in node.keywords if word.arg}
    name = text_of(given.get("name"), names)
    if not name:
        return None
    is_enum = called == "DEFINE_enum"
    choices = value_of(given.get("enum_values", given.get("third")), names) if is_enum else []
    text = text_of(given.get("help") if is_enum or "help" in given else given.get("third"), names)
    kind = _ABSL[called]
    return ScriptOption(
        name,
        (),
        kind,
        value_of(given.get("default"), names) if "default" in given else None,
        tuple(choices) if isinstance(choices, list) else (),
        " ".join(text.split()),
        "" if kind else SEVERAL,
    )


def unique(options: Sequence[ScriptOption]) -> list[ScriptOption]:
    """Return the options without those that have the name of an earlier one of their command."""
    found: dict[tuple[str, str], ScriptOption] = {}
    for option in options:
        found.setdefault((option.command, option.name), option)
    return list(found.values())
