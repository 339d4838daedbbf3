"""Reads hparam.yaml, the list of hyperparameters with ranges, and reports every mistake in it.

param_list:
  - name: learning_rate
    type: float            # int | float | choice
    init_value: 0.001
    greater_than: 0.00005  # the lower bound, itself allowed
    lower_than: 0.05       # the upper bound, itself allowed
    log: true              # search on a logarithmic scale
  - name: batch_size
    type: int
    init_value: 32
    greater_than: 16
    lower_than: 64
    step: 16
  - name: optimizer
    type: choice
    choices: [sgd, adam]
  - name: momentum
    type: float
    init_value: 0.9
    greater_than: 0.5
    lower_than: 0.99
    only_if: {optimizer: sgd}  # with another optimizer train.py does not get it
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from autofinetune.errors import ConfigError, did_you_mean

from .parameters import (
    ChoiceParameter,
    Condition,
    FloatParameter,
    IntParameter,
    Parameter,
    SteppedFloatParameter,
    Value,
)
from .space import Space
from .yaml_file import Document, read_yaml

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
_RESERVED = ("saved_params_dir", "model_path", "help")
_RANGE_KEYS = (
    "name", "type", "init_value", "lower_than", "greater_than", "log", "step", "only_if",
)  # fmt: skip
_KEYS = {
    "float": _RANGE_KEYS,
    "int": _RANGE_KEYS,
    "choice": ("name", "type", "init_value", "choices", "only_if"),
}
_LARGEST_INT = 2**53  # beyond it a float cannot hold every integer


def load_space(source: str | Path | Mapping[str, Any]) -> Space:
    """Load a search space from an hparam.yaml or from the same structure as a dict.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: one or more mistakes, each with file, line, column and what to do.
    """
    if isinstance(source, Mapping):
        return read_space(Document("search space", source, {}))
    return read_space(read_yaml(Path(source)))


def read_space(document: Document) -> Space:
    """The space that a parsed document describes; raises ConfigError with all its mistakes."""
    mistakes: list[str] = []
    parameters: dict[str, Parameter | None] = {}  # None for one with mistakes
    for index, entry in enumerate(_entries(document, mistakes)):
        reader = _Entry(document, index, entry, mistakes)
        parameter = reader.read(parameters)
        name = reader.entry.get("name")
        if isinstance(name, str):
            if name in parameters:
                reader.mistake("name", f"{_short(name)} stands twice; each name once")
            parameters[name] = parameter
    if mistakes:
        raise ConfigError(document.source, mistakes)
    return Space(tuple(parameter for parameter in parameters.values() if parameter is not None))


def _entries(document: Document, mistakes: list[str]) -> list[Any]:
    value = document.value
    if not isinstance(value, Mapping) or "param_list" not in value:
        is_mapping = isinstance(value, Mapping)
        found = ", ".join(map(_short, value)) if is_mapping else type(value).__name__
        mistakes.append(
            f"{document.where(())} the outermost key must be param_list, found: {found[:200]}"
        )
        return []
    for key in value:
        if key != "param_list":
            mistakes.append(
                f"{document.where((key,))} key {key!r} is unknown here; only param_list is allowed"
            )
    entries = value["param_list"]
    if not isinstance(entries, list) or not entries:
        mistakes.append(
            f"{document.where(('param_list',))} param_list must be a list with at least one entry "
            "of name, type, init_value, lower_than, greater_than"
        )
        return []
    return entries


class _Entry:
    """One entry of param_list; collects its mistakes."""

    def __init__(self, document: Document, index: int, entry: Any, mistakes: list[str]) -> None:
        self.document = document
        self.index = index
        self.entry: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
        self.is_mapping = isinstance(entry, Mapping)
        self.mistakes = mistakes
        self.failed = False
        self.condition: Condition | None = None

    def mistake(self, key: str | None, why: str) -> None:
        path: tuple[str | int, ...] = ("param_list", self.index)
        where = self.document.where(path if key is None else (*path, key))
        name = self.entry.get("name")
        label = f" {name}" if isinstance(name, str) and _NAME.match(name) else ""
        self.mistakes.append(f"{where} param_list[{self.index}]{label}: {why}")
        self.failed = True

    def read(self, before: Mapping[str, Parameter | None]) -> Parameter | None:
        """The parameter, which may depend on one of those `before` it; None with mistakes."""
        if not self.is_mapping:
            self.mistake(None, "must be a mapping with name, type, init_value, ...")
            return None
        self._check_name()
        kind = self._kind()
        if kind is None:
            return None
        self._check_keys(kind)
        self.condition = self._condition(before)
        parameter = self._choice() if kind == "choice" else self._range(kind)
        if parameter is None or self.failed:
            return None
        self._check_init(parameter)
        return None if self.failed else parameter

    def _check_name(self) -> None:
        name = self.entry.get("name")
        if "name" not in self.entry:
            self.mistake(None, "name is missing")
        elif not isinstance(name, str) or not _NAME.match(name):
            self.mistake(
                "name",
                f"name {_short(name)} cannot be an option; use letters, digits, '_', '.', '-', "
                "beginning with a letter or '_', at most 64 characters",
            )
        elif name in _RESERVED:
            self.mistake("name", f"name {name!r} is an option that autofinetune itself passes")

    def _kind(self) -> str | None:
        kind = self.entry.get("type")
        if "type" not in self.entry:
            self.mistake(None, f"type is missing; use one of: {', '.join(_KEYS)}")
        elif not isinstance(kind, str) or kind not in _KEYS:
            guess = did_you_mean(str(kind)[:60], _KEYS)
            self.mistake("type", f"type {_short(kind)} is unknown; use one of: "
                         f"{', '.join(_KEYS)}{guess}")  # fmt: skip
        else:
            return kind
        return None

    def _check_keys(self, kind: str) -> None:
        for key in self.entry:
            if key not in _KEYS[kind]:
                guess = did_you_mean(str(key)[:60], _KEYS[kind])
                self.mistake(
                    key,
                    f"key {_short(key)} is unknown for type {kind}; allowed: "
                    f"{', '.join(_KEYS[kind])}{guess}",
                )

    def _condition(self, before: Mapping[str, Parameter | None]) -> Condition | None:
        given = self.entry.get("only_if")
        if given is None:
            return None
        if not isinstance(given, Mapping) or len(given) != 1:
            self.mistake("only_if", "only_if must be one choice and its value, as in "
                         f"{{optimizer: sgd}}, found {_short(given)}")  # fmt: skip
            return None
        ((name, value),) = given.items()
        parent = before.get(name)
        if parent is None and name in before:
            return None  # its own mistakes are told already
        if not isinstance(parent, ChoiceParameter):
            self.mistake("only_if", f"only_if names {_short(name)}, which must be a choice that "
                         "stands further up")  # fmt: skip
            return None
        try:
            return Condition(parent.name, parent.index(value))
        except ValueError:
            choices = ", ".join(map(_short, parent.choices))
            self.mistake("only_if", f"{_short(value)} is no choice of {name}: {choices}")
            return None

    # --- int and float -------------------------------------------------------------------------

    def _range(self, kind: str) -> Parameter | None:
        low = self._number("greater_than", kind)
        high = self._number("lower_than", kind)
        init = self._number("init_value", kind)
        step = self._step(kind)
        log = self._log()
        if self.failed or low is None or high is None or init is None:
            return None
        if low >= high:
            self.mistake("greater_than", f"greater_than ({low}) must be below lower_than ({high})")
        elif log and low <= 0:
            self.mistake("greater_than", f"greater_than ({low}) must be above 0 with log: true")
        elif log and step is not None:
            self.mistake("step", "step cannot be combined with log: true; leave out one of them")
        elif not low <= init <= high:
            self.mistake("init_value", f"init_value ({init}) must be within "
                         f"[{low}, {high}], the bounds included")  # fmt: skip
        elif step is not None and _exact(step) > _exact(high) - _exact(low):
            self.mistake("step", f"step ({step}) is wider than the range {low} to {high}")
        elif kind == "float" and step is not None and step < math.ulp(max(abs(low), abs(high))):
            self.mistake("step", f"step ({step}) is too fine to tell numbers up to {high} apart")
        if self.failed:
            return None
        name = self.entry["name"]
        if kind == "int":
            return IntParameter(
                name, int(low), int(high), int(init), log, int(step or 1), self.condition
            )
        if step is not None:
            return SteppedFloatParameter(name, low, high, init, step, self.condition)
        return FloatParameter(name, low, high, init, log, self.condition)

    def _number(self, key: str, kind: str) -> float | int | None:
        value = self.entry.get(key)
        if key not in self.entry:
            self.mistake(None, f"{key} is missing; give a number")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            self.mistake(key, f"{key} must be a number, found {_short(value)}")
        elif isinstance(value, float) and not math.isfinite(value):
            self.mistake(key, f"{key} must be finite, found {value}")
        elif kind == "int" and value != int(value):
            self.mistake(key, f"{key} must be a whole number for type int, found {value}")
        elif kind == "int" and abs(value) > _LARGEST_INT:
            self.mistake(key, f"{key} must be between -2^53 and 2^53, found {_short(value)}")
        else:
            return self._as_kind(key, value, kind)
        return None

    def _as_kind(self, key: str, value: float | int, kind: str) -> float | int | None:
        try:
            return int(value) if kind == "int" else float(value)
        except OverflowError:
            self.mistake(key, f"{key} is too large for a float")
            return None

    def _step(self, kind: str) -> float | int | None:
        if self.entry.get("step") is None:
            return None
        step = self._number("step", kind)
        if step is not None and step <= 0:
            self.mistake("step", f"step must be above 0, found {step}")
            return None
        return step

    def _log(self) -> bool:
        log = self.entry.get("log", False)
        if not isinstance(log, bool):
            self.mistake("log", f"log must be true or false, found {_short(log)}")
            return False
        return log

    def _check_init(self, parameter: Parameter) -> None:
        try:
            parameter.encode(parameter.init)
        except ValueError:
            self.mistake(
                "init_value",
                f"init_value ({parameter.init}) is not on the grid greater_than + k * step",
            )

    # --- choice --------------------------------------------------------------------------------

    def _choice(self) -> Parameter | None:
        choices = self.entry.get("choices")
        if not isinstance(choices, list) or not choices:
            self.mistake("choices", "choices must be a list with at least one value")
            return None
        seen: set[tuple[type, Value]] = set()
        for index, choice in enumerate(choices):
            if choice is not None and not isinstance(choice, (str, int, float, bool)):
                self.mistake("choices", f"choices[{index}] must be a word, number or true/false")
            elif isinstance(choice, float) and not math.isfinite(choice):
                self.mistake("choices", f"choices[{index}] must be finite, found {choice}")
            elif isinstance(choice, str) and not _is_argument(choice):
                self.mistake(
                    "choices",
                    f"choices[{index}] {_short(choice)} cannot be an argument of a command",
                )
            elif (type(choice), choice) in seen:
                self.mistake("choices", f"choices[{index}] {_short(choice)} stands twice")
            else:
                seen.add((type(choice), choice))
        if self.failed:
            return None
        init: Value = self.entry.get("init_value", choices[0])
        if not any(_same(init, choice) for choice in choices):
            self.mistake(
                "init_value",
                f"init_value {_short(init)} must be one of the choices: "
                f"{', '.join(map(_short, choices))}",
            )
            return None
        return ChoiceParameter(self.entry["name"], tuple(choices), init, self.condition)


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _is_argument(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
