"""The values of simple expressions in a script, computed without running it."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from autofinetune.draft.option import UNKNOWN

Names = Mapping[str, Any]
_MOST = 1e300  # larger results are not computed
_OPERATIONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "int": int, "float": float, "str": str, "bool": bool, "list": list, "tuple": tuple,
    "sorted": sorted,
}  # fmt: skip


def constants(tree: ast.Module) -> Names:
    """Return the names that a module assigns once, at its top level, with their values."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name):
            is_new = target.id not in found
            found[target.id] = value_of(value, found) if is_new else UNKNOWN
    return {name: value for name, value in found.items() if value is not UNKNOWN}


def value_of(node: ast.expr | None, names: Names) -> Any:
    """Return the value of an expression, or UNKNOWN if it needs more than constants."""
    try:
        return _value(node, names)
    except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError):
        return UNKNOWN


def text_of(node: ast.expr | None, names: Names) -> str:
    """Return the value of an expression that is a text, else an empty text."""
    value = value_of(node, names)
    return value if isinstance(value, str) else ""


def _value(node: ast.expr | None, names: Names) -> Any:
    if isinstance(node, ast.Constant):
        is_plain = node.value is None or isinstance(node.value, (bool, int, float, str))
        return node.value if is_plain else UNKNOWN
    if isinstance(node, ast.Name):
        return names.get(node.id, UNKNOWN)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return _all([_value(one, names) for one in node.elts])
    if isinstance(node, ast.Dict):
        keys = _all([_value(key, names) for key in node.keys])
        if keys is UNKNOWN:
            return UNKNOWN
        # Values may be functions and classes, and still the keys are choices.
        return dict(zip(keys, [_value(one, names) for one in node.values], strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _number(_value(node.operand, names))
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        return _combined(node, _value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.Subscript):
        return _value(node.value, names)[_value(node.slice, names)]
    if isinstance(node, ast.Call):
        return _called(node, names)
    return UNKNOWN


def _all(values: list[Any]) -> Any:
    return UNKNOWN if any(value is UNKNOWN for value in values) else values


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return value


def _combined(node: ast.BinOp, left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str) and isinstance(node.op, ast.Add):
        return left + right
    if isinstance(left, list) and isinstance(right, list) and isinstance(node.op, ast.Add):
        return left + right
    a, b = _number(left), _number(right)
    if isinstance(node.op, ast.Pow) and (abs(b) > 400 or abs(a) > _MOST):
        return UNKNOWN
    value = _OPERATIONS[type(node.op)](a, b)
    return value if isinstance(value, (int, float)) and abs(value) < _MOST else UNKNOWN


def _called(node: ast.Call, names: Names) -> Any:
    if isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
        return list(_value(node.func.value, names))
    if node.keywords or not isinstance(node.func, ast.Name):
        return UNKNOWN
    given = [_value(one, names) for one in node.args]
    if any(one is UNKNOWN for one in given):
        return UNKNOWN
    if node.func.id == "range" and all(isinstance(one, int) for one in given):
        values = range(*given)
        return list(values) if len(values) <= 100 else UNKNOWN
    value = _CONVERSIONS[node.func.id](*given)
    return UNKNOWN if isinstance(value, float) and math.isnan(value) else value
