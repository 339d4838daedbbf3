"""What the installed Data-Juicer knows of its operators, printed as JSON.

It runs in a process of its own, as importing Data-Juicer takes seconds:
`python -m autofinetune.recipe.signatures '{"names": [...], "paths": [...]}'`, with the names of
operators and the paths of those that are the user's own. Arguments and types are those of
Data-Juicer's own parser; which statistic a threshold is compared with is read from the source of
the operator, where it calls `get_keep_boolean(statistic, lower bound, upper bound)`.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PROCESS = ("process_single", "process_batched")
_SIDES = ("lower", "upper")
_LIMITS = {"gt": "above", "ge": "least", "lt": "below", "le": "most"}
_TYPES = (int, float, bool, str)


def describe(names: Sequence[str] = (), paths: Sequence[str] = ()) -> dict[str, Any]:
    """Return the version of Data-Juicer and its operators, all of them or those with these names.

    `paths` are files and folders of operators that are not part of the package.

    Returns:
        {"version": ..., "operators": {name: {"arguments": {name: {"type": "int", "default": 10,
        "least": 0, ...}}, "thresholds": {argument: {"side": "lower", "stats": [...]}}}}}
    """
    import data_juicer
    from data_juicer.ops import OPERATORS
    from data_juicer.utils.constant import StatsKeysConstant

    if paths:
        from data_juicer.config.config import load_custom_operators

        load_custom_operators(list(paths))
    wanted = sorted(set(names or OPERATORS.modules) & set(OPERATORS.modules))
    stats = {
        key: value for key, value in vars(StatsKeysConstant).items() if isinstance(value, str)
    }
    operators = {}
    for name in wanted:
        found = OPERATORS.modules[name]
        arguments = _arguments(found)
        thresholds = {
            argument: told
            for argument, told in _thresholds(found, stats).items()
            if argument in arguments
        }
        operators[name] = {"arguments": arguments, "thresholds": thresholds}
    return {"version": data_juicer.__version__, "operators": operators}


def _arguments(operator: type) -> dict[str, dict[str, Any]]:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser()
    parser.add_class_arguments(operator, "op", fail_untyped=False, instantiate=False)
    found = {}
    for action in parser._actions:
        group, _, name = action.dest.partition(".")
        if group == "op" and name and not name.endswith("help"):
            found[name] = _type(getattr(action, "_typehint", None) or action.type)
            if isinstance(action.default, _TYPES) and not str(action.default).startswith("/"):
                found[name]["default"] = action.default  # a path is one of this machine
    return found


def _type(hint: Any) -> dict[str, Any]:
    """Return the type of an argument, `any` if it is not a plain one, and its limits."""
    arguments = [one for one in typing.get_args(hint) if one is not type(None)]
    if typing.get_origin(hint) is typing.Union:
        known = [one for one in arguments if getattr(one, "__name__", "") != "Untyped"]
        told = _type(known[0]) if len(known) == 1 else {"type": "any"}
        return {**told, "optional": True} if len(arguments) < len(hint.__args__) else told
    if hasattr(hint, "__metadata__"):
        limits = [limit for one in hint.__metadata__ for limit in getattr(one, "metadata", [one])]
        return {**_type(arguments[0]), **_limits(limits)}
    if hint in _TYPES:
        return {"type": hint.__name__}
    if restrictions := getattr(hint, "_restrictions", None):  # a number of jsonargparse
        base = next(one for one in _TYPES if issubclass(hint, one))
        bounds = {_LIMITS[compare.__name__]: limit for compare, limit in restrictions}
        return {"type": base.__name__, **bounds}
    return {"type": "any"}


def _limits(limits: Sequence[Any]) -> dict[str, Any]:
    return {
        word: getattr(limit, name)
        for limit in limits
        for name, word in _LIMITS.items()
        if hasattr(limit, name)
    }


def _thresholds(operator: type, stats: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return side and statistics of each argument that bounds a statistic.

    An operator may choose one of several statistics by another argument.
    """
    found: dict[str, dict[str, Any]] = {}
    for method in _methods(operator):
        flows = _Flows(method, stats)
        for call in ast.walk(method):
            if isinstance(call, ast.Call) and _name(call.func) == "get_keep_boolean":
                bounds = [*call.args[1:], *(key.value for key in call.keywords)]
                for side, bound in zip(_SIDES, bounds, strict=False):
                    if _name(bound) and not isinstance(bound, ast.Name):
                        told = flows.stats_of(call.args[0])
                        found[_name(bound)] = {"side": side, "stats": sorted(told)}
    return found


def _methods(operator: type) -> Iterator[ast.AST]:
    for name in _PROCESS:
        for klass in operator.__mro__:
            if name in vars(klass):
                source = textwrap.dedent(inspect.getsource(vars(klass)[name]))
                yield ast.parse(source)
                break


def _name(node: ast.AST) -> str:
    return getattr(node, "attr", "") or getattr(node, "id", "")


class _Flows:
    """Where the values in a function come from."""

    def __init__(self, function: ast.AST, stats: Mapping[str, str]) -> None:
        self._stats = stats
        self._sources: dict[str, list[ast.AST]] = {}
        parameters: dict[str, list[str]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.FunctionDef):
                parameters[node.name] = [argument.arg for argument in node.args.args]
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._add(target, node.value)
            elif isinstance(node, (ast.comprehension, ast.For)):
                self._add(node.target, node.iter)
            elif isinstance(node, ast.Call) and _name(node.func) in parameters:
                names = parameters[_name(node.func)]
                for name, value in zip(names, node.args, strict=False):
                    self._sources.setdefault(name, []).append(value)

    def _add(self, target: ast.AST, value: ast.AST) -> None:
        if isinstance(target, ast.Tuple):
            zipped = isinstance(value, ast.Call) and _name(value.func) == "zip"
            sources = value.args if zipped and isinstance(value, ast.Call) else []
            for one, source in zip(target.elts, sources, strict=False):
                self._add(one, source)
        else:
            self._sources.setdefault(_name(target), []).append(value)

    def stats_of(self, value: ast.AST, seen: frozenset[str] = frozenset()) -> set[str]:
        """Return the statistics that a value is computed from."""
        found: set[str] = set()
        for node in ast.walk(value):
            if isinstance(node, ast.Attribute) and _name(node.value) == "StatsKeys":
                found.add(self._stats.get(node.attr, node.attr))
            elif isinstance(node, ast.Name) and node.id not in seen:
                for source in self._sources.get(node.id, []):
                    found |= self.stats_of(source, seen | {node.id})
        return found


if __name__ == "__main__":
    question = json.loads(sys.argv[1])
    print(json.dumps(describe(question["names"], question["paths"])))
