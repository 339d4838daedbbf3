"""The formats of search spaces, recognized by their content and read with one set of rules.

All mistakes in a file are reported at once, each with file, line and column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from .yaml_file import Document, as_pyyaml_reads, read_yaml
from .yaml_values import Path_


def load_space(source: str | Path | Mapping[str, Any]) -> Space:
    """Load a search space from a file of one of the formats, or from its content.

    Raise UsageError if the file cannot be read, ConfigError with all mistakes in it.
    """
    if isinstance(source, Mapping):
        return read_space(Document("search space", source, {}))
    return read_space(read_yaml(Path(source)))


def read_space(document: Document) -> Space:
    """Return the space that a parsed document describes; raise ConfigError with all mistakes."""
    entries_of = _entries_of(document.value)
    findings = Findings(document)
    if entries_of is not hparam_entries:
        document = as_yaml_1_1(document, findings.note)
    return read_entries(entries_of(document.value, findings), findings)


def read_entries(entries: Iterable[Entry], findings: Findings) -> Space:
    """Return the space of these entries; raise ConfigError with all mistakes in `findings`."""
    found: dict[str, Parameter | Constant | None] = {}  # by name; None for one with mistakes
    places: dict[str, Path_] = {}
    for entry in entries:
        parameter = read_entry(entry, found, findings)
        name = entry.keys and entry.keys.get("name")
        if isinstance(name, str):
            if name in found:
                place = entry.places.get("name", (*entry.path, "name"))
                why = f"{short(name)} appears twice; names must be unique"
                findings.mistake(place, f"{entry.label}: {why}")
            found[name] = parameter
            places[name] = entry.path
    parameters = [p for p in found.values() if isinstance(p, Parameter)]
    constants = [c for c in found.values() if isinstance(c, Constant)]
    _check_paths([*parameters, *constants], places, findings)
    if findings.mistakes:
        raise ConfigError(findings.document.source, findings.mistakes)
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
        mine = needs[part.name] = {}
        if condition:
            mine |= needs.get(condition.parent, {}) | {condition.parent: {*condition.indices}}
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


def is_of_a_file(value: Mapping[str, Any]) -> bool:
    """Return whether a mapping has the form of one of the formats of files."""
    return "param_list" in value or _entries_of(value) is not hparam_entries


def _entries_of(value: Any) -> Callable[[Any, Findings], Iterator[Entry]]:
    if is_katib(value):
        return katib_entries
    if is_hydra(value):
        return hydra_entries
    if is_nni(value):
        return nni_entries
    return sweep_entries if is_sweep(value) else hparam_entries


def as_yaml_1_1(document: Document, note: Callable[[Path_, str], None]) -> Document:
    """Return the document as tools that use PyYAML read it; call `note` for each changed value.

    PyYAML implements YAML 1.1, in which `yes`, `no`, `on` and `off` are booleans, `010` is 8,
    `0x10` is 16, `1_000` is 1000 and `1:30` is 90. But `1e-3` remains a number: for PyYAML it is a
    word, which these tools reject where they need a number. `written` of the result holds the
    unquoted values that are words.
    """
    words: dict[Path_, str] = {}

    def reread(value: Any, path: Path_) -> Any:
        if isinstance(value, dict):
            return {key: reread(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [reread(inner, (*path, index)) for index, inner in enumerate(value)]
        text = document.written.get(path)
        if text is None or type(value) not in (int, float, str):
            return value
        other = as_pyyaml_reads(text)
        if other is text:
            words[path] = text
        if isinstance(value, float) or (type(other), other) == (type(value), value):
            return value
        note(path, f"{text[:60]} is read as {short(other)}, as in YAML 1.1")
        return other

    if not document.written:
        return document
    return replace(document, value=reread(document.value, ()), written=words)
