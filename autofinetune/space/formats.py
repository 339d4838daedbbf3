"""The formats of search spaces, recognized by their content and read with one set of rules.

All mistakes in a file are reported at once, each with file, line and column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.errors import ConfigError

from .base import Parameter
from .choices import Constant
from .entry import read_entry
from .fields import Entry, Findings, short
from .hparam_file import hparam_entries
from .hydra import hydra_entries, is_hydra
from .katib import is_katib, katib_entries
from .nni import is_nni, nni_entries
from .space import Space
from .wandb import is_sweep, sweep_entries
from .yaml_1_1 import as_yaml_1_1
from .yaml_file import Document, read_yaml
from .yaml_values import Path_


def load_space(source: str | Path | Mapping[str, Any]) -> Space:
    """Load a search space from an hparam.yaml or a file of NNI, W&B, Katib or Hydra.

    Args:
        source: the file, or its content.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: the file has mistakes; each is given with file, line, column and a fix.
    """
    if isinstance(source, Mapping):
        return read_space(Document("search space", source, {}))
    return read_space(read_yaml(Path(source)))


def read_space(document: Document) -> Space:
    """Return the space that a parsed document describes.

    Raises:
        ConfigError: the document has mistakes; all of them are given.
    """
    entries_of = _entries_of(document.value)
    findings = Findings(document)
    if entries_of is not hparam_entries:
        document = as_yaml_1_1(document, findings.note)
    found: dict[str, Parameter | Constant | None] = {}  # by name; None for one with mistakes
    places: dict[str, Path_] = {}
    for entry in entries_of(document.value, findings):
        parameter = read_entry(entry, found, findings)
        name = entry.keys and entry.keys.get("name")
        if isinstance(name, str):
            if name in found:
                place = entry.places.get("name", (*entry.path, "name"))
                findings.mistake(
                    place, f"{entry.label}: {short(name)} appears twice; names must be unique"
                )
            found[name] = parameter
            places[name] = entry.path
    parameters = [p for p in found.values() if isinstance(p, Parameter)]
    constants = [c for c in found.values() if isinstance(c, Constant)]
    _check_paths([*parameters, *constants], places, findings)
    if findings.mistakes:
        raise ConfigError(document.source, findings.mistakes)
    if not parameters:  # a space needs at least one parameter
        parameters.append(constants.pop(0).as_choice())
    return Space(tuple(parameters), tuple(constants), tuple(findings.notes))


def _check_paths(
    parts: Sequence[Parameter | Constant], places: Mapping[str, Path_], findings: Findings
) -> None:
    """Report values that can be active at once although their paths are equal or nested."""
    needs: dict[str, dict[str, set[int]]] = {}  # by part: the choices with which it is active
    leaves: dict[tuple[str, ...], list[str]] = {}
    inner: dict[tuple[str, ...], list[str]] = {}  # paths of mappings around values
    for part in parts:
        condition = part.condition if isinstance(part, Parameter) else None
        mine = needs[part.name] = (
            {**needs.get(condition.parent, {}), condition.parent: {*condition.indices}}
            if condition
            else {}
        )
        path = part.path or (part.name,)
        above = [path[:length] for length in range(1, len(path))]
        rivals = leaves.get(path, []) + inner.get(path, [])
        rivals += [name for place in above for name in leaves.get(place, ())]
        for rival in rivals:
            theirs = needs[rival]
            if all(theirs.get(parent, indices) & indices for parent, indices in mine.items()):
                why = f"{part.name}: its path {short(list(path))} is also that of {rival}"
                findings.mistake(places[part.name], why)
                break
        leaves.setdefault(path, []).append(part.name)
        for place in above:
            inner.setdefault(place, []).append(part.name)


def _entries_of(value: Any) -> Callable[[Any, Findings], Iterator[Entry]]:
    if is_katib(value):
        return katib_entries
    if is_hydra(value):
        return hydra_entries
    if is_nni(value):
        return nni_entries
    return sweep_entries if is_sweep(value) else hparam_entries
