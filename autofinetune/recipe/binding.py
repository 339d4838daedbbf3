"""Which argument of a recipe a hyperparameter sets: `op.arg`, or `op#2.arg` of the second."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import did_you_mean
from autofinetune.space.yaml_values import Path_

from .document import Operator, Recipe
from .operators import Argument, known

_NAME = re.compile(r"([^.#]+)(?:#([1-9][0-9]*))?\.(.+)\Z")
# What a search must not change: where the data comes from and goes to, and the operators.
_FIXED = frozenset({"process", "dataset_path", "dataset", "export_path", "work_dir", "config"})


@dataclass(frozen=True)
class Target:
    """A value in a recipe: its path, its type, and what is written there, None if nothing is."""

    path: Path_
    argument: Argument
    value: Any = None


def target_of(name: str, recipe: Recipe) -> Target:
    """Return what a hyperparameter sets; raise ValueError with what is wrong and allowed."""
    found = _NAME.match(name)
    if found is None:
        return _top_level(name, recipe)
    operator = _operator(found[1], found[2], recipe)
    argument = found[3]
    about = known(operator.name)
    if about is None:  # an operator of the user's own
        return _target(operator, argument, Argument())
    if argument not in about.arguments:
        guess = did_you_mean(argument, about.arguments)
        shown = ", ".join((about.thresholds or about.arguments).keys())
        raise ValueError(
            f"{operator.name} has no argument {argument!r:.60}; it has: {shown}{guess}"
        )
    return _target(operator, argument, about.arguments[argument])


def _target(operator: Operator, argument: str, kind: Argument) -> Target:
    return Target(operator.path(argument), kind, operator.arguments.get(argument))


def _operator(name: str, number: str | None, recipe: Recipe) -> Operator:
    same = recipe.named(name)
    if not same:
        names = list(dict.fromkeys(operator.name for operator in recipe.operators))
        guess = did_you_mean(name, names)
        raise ValueError(
            f"the recipe has no operator {name!r:.60}; it has: {', '.join(names)}{guess}"
        )
    if number is None and len(same) > 1:
        why = f"the recipe has {len(same)} operators {name}"
        raise ValueError(f"{why}; write {name}#1 for the first, {name}#2 for the second")
    if int(number or 1) > len(same):
        raise ValueError(f"the recipe has only {len(same)} of the operator {name}")
    return same[int(number or 1) - 1]


def _top_level(name: str, recipe: Recipe) -> Target:
    value = recipe.document.value.get(name)
    if name in _FIXED or not isinstance(value, (bool, int, float, str)):
        keys = [
            key for key, one in recipe.document.value.items()
            if key not in _FIXED and isinstance(one, (bool, int, float, str))
        ]  # fmt: skip
        why = (
            f"{name!r:.60} is neither operator.argument nor a value of the recipe that can change"
        )
        raise ValueError(f"{why}: {', '.join(keys)}{did_you_mean(name, keys)}")
    return Target((name,), Argument(type(value).__name__), value)


def changes(params: Mapping[str, Any], recipe: Recipe) -> dict[Path_, Any]:
    """Return the values that hyperparameters give, by their path, with the operators' types.

    Raise ValueError for a name or a value that is not allowed.
    """
    found = {}
    for name, value in params.items():
        target = target_of(name, recipe)
        try:
            found[target.path] = target.argument.cast(value)
        except ValueError as error:
            raise ValueError(f"{name}={value!r:.60} {error}") from None
    return found


def read_word(text: str) -> Any:
    """Return a value that the tuner wrote on a command line."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
