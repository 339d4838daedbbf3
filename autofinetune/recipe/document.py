"""A recipe of Data-Juicer: a YAML or JSON file whose `process` lists operators in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.errors import ConfigError
from autofinetune.space import Document, read_yaml
from autofinetune.space.fields import Findings, short
from autofinetune.space.formats import as_yaml_1_1
from autofinetune.space.yaml_edit import edited
from autofinetune.space.yaml_values import Path_

_TIP = "give the path of a Data-Juicer recipe, a YAML or JSON file with a list `process`"


@dataclass(frozen=True)
class Operator:
    """An operator of a recipe: its position from 0 in `process`, its name and its arguments."""

    index: int
    name: str
    arguments: Mapping[str, Any]

    def path(self, argument: str = "") -> Path_:
        """Return the place of the operator, or of an argument, which need not be written yet."""
        return ("process", self.index, self.name, *([argument] if argument else []))


@dataclass(frozen=True)
class Recipe:
    """A recipe as PyYAML reads it, and its text.

    `document` holds the data and the line of each value, `operators` what `process` lists; an
    operator may stand there twice.
    """

    document: Document
    operators: tuple[Operator, ...]
    _text: Document

    def where(self, path: Path_) -> str:
        """Return `file:line:column` of a value."""
        return self.document.where(path)

    def line(self, path: Path_) -> int:
        """Return the line of a value, or of the innermost value around it that is written."""
        while path not in self.document.places:
            path = path[:-1]
        return self.document.places[path][0]

    def named(self, name: str) -> list[Operator]:
        """Return the operators with this name."""
        return [operator for operator in self.operators if operator.name == name]

    def edited(self, changes: Mapping[Path_, Any]) -> str:
        """Return the text of the recipe with new values; comments, order and layout stay.

        Args:
            changes: values by their path: that of an operator's argument, or `("export_path",)`.

        Raises:
            ConfigError: a value cannot be changed without others, because of an alias.
        """
        return edited(self._text, changes)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; raise UsageError if there is no such file, ConfigError with all mistakes."""
    text = read_yaml(path, tip=_TIP)
    findings = Findings(text)
    document = as_yaml_1_1(text, lambda place, why: None)
    operators = _operators(document.value, findings)
    if findings.mistakes:
        raise ConfigError(str(path), findings.mistakes, _TIP)
    return Recipe(document, tuple(operators), text)


def _operators(value: Any, findings: Findings) -> list[Operator]:
    if not isinstance(value, Mapping):
        findings.mistake((), f"a recipe must be a mapping, found {short(value)}")
        return []
    listed = value.get("process")
    if listed is None:
        findings.mistake(("process",), "the list `process` is missing or empty")
        return []
    if not isinstance(listed, list):
        findings.mistake(("process",), f"process must be a list, found {short(listed)}")
        return []
    found = (_operator(index, one, findings) for index, one in enumerate(listed))
    return [operator for operator in found if operator is not None]


def _operator(index: int, one: Any, findings: Findings) -> Operator | None:
    path = ("process", index)
    if not isinstance(one, Mapping) or not one:
        why = f"an operator must be a mapping such as `text_length_filter:`, found {short(one)}"
        findings.mistake(path, why)
        return None
    name, *others = one
    for other in others:
        why = f"{other} stands beside {name}; indent it below {name}, or begin it with a dash"
        findings.mistake((*path, other), why)
    arguments = {} if one[name] is None else one[name]
    if not isinstance(arguments, Mapping):
        why = f"the arguments of {name} must be a mapping, found {short(arguments)}"
        findings.mistake((*path, name), why)
        return None
    return Operator(index, name, arguments)
