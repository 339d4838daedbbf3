"""Reads hparam.yaml, a list of hyperparameters with ranges.

param_list:
  - name: learning_rate
    type: float            # int | float | choice | constant | layer_choice | input_choice
    init_value: 0.001
    greater_than: 0.00005  # the lower bound, included
    lower_than: 0.05       # the upper bound, included
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
    only_if: {optimizer: sgd}  # not passed to train.py with another optimizer
"""

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
        yield Entry(
            keys, ("param_list", index), f"param_list[{index}]{label}", is_own=True
        )  # fmt: skip


def _param_list(value: Any, findings: Findings) -> list[Any]:
    if not isinstance(value, Mapping) or "param_list" not in value:
        is_mapping = isinstance(value, Mapping)
        found = ", ".join(map(short, value)) if is_mapping else type(value).__name__
        findings.mistake(
            (),
            f"the outermost key must be param_list, found: {found[:200]}; the other formats are "
            "a search space of NNI ({name: {_type: ..., _value: [...]}}), a sweep of W&B "
            "(parameters: {name: {...}}), a Katib experiment and a Hydra sweeper",
        )
        return []
    is_config = not value.keys().isdisjoint(("script", "command"))  # a configuration of a run
    for key in value:
        if key != "param_list" and not is_config:
            findings.mistake((key,), f"key {key!r} is unknown here; only param_list is allowed")
    entries = value["param_list"]
    if not isinstance(entries, list) or not entries:
        findings.mistake(
            ("param_list",),
            "param_list must be a list with at least one entry "
            "of name, type, init_value, lower_than, greater_than",
        )
        return []
    return entries
