"""The formats of search spaces, told apart by what stands in them, and read with one set of rules.

All mistakes in a file are told at once, each with file, line and column and in its own words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autofinetune.errors import ConfigError

from .base import Parameter
from .choices import Constant
from .entry import read_entry
from .fields import Entry, Findings, short
from .hparam_file import hparam_entries
from .nni import is_nni, nni_entries
from .space import Space
from .wandb import is_sweep, sweep_entries
from .yaml_file import Document, read_yaml


def load_space(source: str | Path | Mapping[str, Any]) -> Space:
    """Load a search space: hparam.yaml, NNI's JSON or YAML, or the parameters of a W&B sweep.

    Args:
        source: the file, or what would stand in it.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: one or more mistakes, each with file, line, column and what to do.
    """
    if isinstance(source, Mapping):
        return read_space(Document("search space", source, {}))
    return read_space(read_yaml(Path(source)))


def read_space(document: Document) -> Space:
    """The space that a parsed document describes; raises ConfigError with all its mistakes."""
    findings = Findings(document)
    found: dict[str, Parameter | Constant | None] = {}  # None for one with mistakes
    for entry in _entries_of(document.value)(document.value, findings):
        parameter = read_entry(entry, found, findings)
        name = entry.keys and entry.keys.get("name")
        if isinstance(name, str):
            if name in found:
                place = entry.places.get("name", (*entry.path, "name"))
                findings.mistake(
                    place, f"{entry.label}: {short(name)} stands twice; each name once"
                )
            found[name] = parameter
    if findings.mistakes:
        raise ConfigError(document.source, findings.mistakes)
    parameters = [p for p in found.values() if isinstance(p, Parameter)]
    constants = [c for c in found.values() if isinstance(c, Constant)]
    if not parameters:  # there is one configuration, and something must stand for it
        parameters.append(constants.pop(0).as_choice())
    return Space(tuple(parameters), tuple(constants), tuple(findings.notes))


def _entries_of(value: Any) -> Callable[[Any, Findings], Iterator[Entry]]:
    if is_nni(value):
        return nni_entries
    return sweep_entries if is_sweep(value) else hparam_entries
