"""Reads the search space of a Hydra sweeper: `hydra.sweeper.params`, in the override grammar.

The older form is `hydra.sweeper.search_space: {x: {type: float, low: 0, high: 1, step: 0.5,
log: true}}`, where a categorical has `choices`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from autofinetune.errors import did_you_mean

from .fields import Entry, Findings, short
from .hydra_grammar import override_fields
from .yaml_values import Path_

OPTUNA, BASIC = "optuna", "basic"
_OF_OPTUNA = {"direction", "n_trials", "n_jobs", "sampler", "study_name", "storage",
              "search_space", "custom_search_space", "max_failure_rate"}  # fmt: skip
_OF_OLD = {"type", "low", "high", "choices"}


def sweeper_of(value: Any) -> tuple[Mapping[str, Any], Path_] | None:
    """Return the configuration of the sweeper and its path, or None if there is none."""
    if not isinstance(value, Mapping) or "param_list" in value:
        return None
    hydra = value.get("hydra")
    if isinstance(hydra, Mapping) and isinstance(hydra.get("sweeper"), Mapping):
        return hydra["sweeper"], ("hydra", "sweeper")
    target = value.get("_target_")  # a file of the group hydra/sweeper
    if isinstance(target, str) and target.endswith("Sweeper"):
        return value, ()
    return None


def kind_of(value: Mapping[str, Any], sweeper: Mapping[str, Any]) -> str:
    """Return which sweeper it is: `optuna`, `basic`, or the name of another."""
    target = str(sweeper.get("_target_", ""))
    if target:
        found = re.search(r"hydra_(\w+)_sweeper", target)
        return found[1] if found else BASIC
    chosen = defaults_of(value).get("hydra/sweeper")
    if isinstance(chosen, str):
        return chosen
    return BASIC if _OF_OPTUNA.isdisjoint(sweeper) else OPTUNA


def defaults_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the selected file of each group in the defaults list of a configuration."""
    defaults = value.get("defaults")
    found: dict[str, Any] = {}
    for one in defaults if isinstance(defaults, list) else ():
        for key, chosen in one.items() if isinstance(one, Mapping) else ():
            found[key.removeprefix("override ").strip().lstrip("/")] = chosen
    return found


def is_hydra(value: Any) -> bool:
    """Return whether a document is a Hydra configuration with a sweeper."""
    return sweeper_of(value) is not None


def hydra_entries(value: Any, findings: Findings) -> Iterator[Entry]:
    """Yield the parameters in the order of the file."""
    found = sweeper_of(value)
    assert found is not None
    sweeper, path = found
    is_basic = kind_of(value, sweeper) == BASIC
    params, old = sweeper.get("params"), sweeper.get("search_space")
    where = ".".join(map(str, path)) + "." if path else ""
    for name, one in (("params", params), ("search_space", old)):
        if one is not None and not isinstance(one, Mapping):
            why = f"{where}{name} must be a mapping, found {short(one)}"
            findings.mistake((*path, name), why)
            return
    if not params and not old:
        why = "is missing; give the hyperparameters, as in x: interval(0, 1)"
        findings.mistake((*path, "params"), f"{where}params {why}")
    for name, spec in (old or {}).items():
        yield _old_entry(name, spec, (*path, "search_space", name), findings)
    for name, text in (params or {}).items():
        place = (*path, "params", name)
        if isinstance(text, Mapping) and not _OF_OLD.isdisjoint(text):
            yield _old_entry(name, text, place, findings)
            continue
        try:
            fields = override_fields(text, is_basic=is_basic)
        except ValueError as error:
            findings.mistake(place, f"{name[:60]}: {error}")
        else:
            here = dict.fromkeys(("name", *fields), place)
            yield Entry({"name": name, **fields}, place, name[:80], here, _WORDS)


_WORDS = {"greater_than": "the lower bound", "lower_than": "the upper bound", "step": "the step",
          "log": "tag(log)", "choices": "choice"}  # fmt: skip


# --- the older form -----------------------------------------------------------------------------


def _old_entry(name: str, spec: Any, path: Path_, findings: Findings) -> Entry:
    keys = spec if isinstance(spec, Mapping) else {}
    kind = keys.get("type", "categorical" if "choices" in keys else "float")
    words = {"greater_than": "low", "lower_than": "high", "step": "step", "log": "log",
             "choices": "choices"}  # fmt: skip
    allowed = ("type", *words.values())
    for key in keys:
        if key not in allowed:
            why = f"{name[:60]}: key {short(key)} is unknown and ignored"
            findings.note((*path, key), why + did_you_mean(str(key)[:60], allowed))
    fields = {ours: keys[word] for ours, word in words.items() if word in keys} | {"type": kind}
    if kind in ("categorical", "choice"):
        fields = {"type": "choice", "choices": keys.get("choices")}
    places: dict[str, Path_] = {ours: (*path, word) for ours, word in words.items()}
    given = {"name": name, **fields} if isinstance(spec, Mapping) else None
    return Entry(given, path, name[:80], {"name": path, **places}, words)
