"""Reads hparam.yaml, a list of hyperparameters with ranges; `hparam_examples/` shows all types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .fields import NAME, Entry, Findings, short


def hparam_entries(document: Any, findings: Findings) -> Iterator[Entry]:
    """Yield the entries of `param_list`."""
    for index, entry in enumerate(_param_list(document, findings)):
        keys = entry if isinstance(entry, Mapping) else None
        name = keys.get("name") if keys else None
        label = f" {name}" if isinstance(name, str) and NAME.match(name) else ""
        label = f"param_list[{index}]{label}"
        yield Entry(keys, ("param_list", index), label, is_own=True)


def _param_list(value: Any, findings: Findings) -> list[Any]:
    if not isinstance(value, Mapping) or "param_list" not in value:
        is_mapping = isinstance(value, Mapping)
        found = ", ".join(map(short, value)) if is_mapping else type(value).__name__
        others = (
            "a search space of NNI ({name: {_type: ..., _value: [...]}}), a sweep of W&B "
            "(parameters: {name: {...}}), a Katib experiment and a Hydra sweeper"
        )
        why = f"the outermost key must be param_list, found: {found[:200]}"
        findings.mistake((), f"{why}; the other formats are {others}")
        return []
    is_config = not value.keys().isdisjoint(("script", "command"))  # a configuration of a run
    for key in value:
        if key != "param_list" and not is_config:
            findings.mistake((key,), f"key {key!r} is unknown here; only param_list is allowed")
    entries = value["param_list"]
    if not isinstance(entries, list) or not entries:
        why = "must be a list with at least one entry of name, type, init_value, lower_than, "
        findings.mistake(("param_list",), f"param_list {why}greater_than")
        return []
    return entries
