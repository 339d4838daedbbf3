"""A search over a recipe of Data-Juicer, as the options of an ordinary run.

The script of the run is `trial.py`; its hyperparameters are `op.arg`, and a trial's directory
holds its recipe and its data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autofinetune.errors import ConfigError, Mistake, UsageError
from autofinetune.run.sources import Source, source_of_run
from autofinetune.space import Document, read_space, read_yaml
from autofinetune.space.fields import Findings, short
from autofinetune.space.yaml_values import Path_

from .binding import Target, target_of
from .document import Recipe, read_recipe
from .fidelity import ladder
from .objectives import Settings
from .objectives.synergy import Synergy

USUAL = "quality_score"
COMMAND = "command"
SCRIPT = Path(__file__).with_name("trial.py")
_MODULES = ("data_juicer.config", "data_juicer.core")
_BOUNDS = {"greater_than": math.ceil, "lower_than": math.floor}


@dataclass(frozen=True)
class Wanted:
    """What `recipe search` gets beside the options of a run; paths are None if not given."""

    config: Path
    hpo_config: Path
    objective: str | None = None
    shares: str | None = None
    settings: Settings = Settings()  # noqa: RUF009  frozen itself


def source_of_search(
    wanted: Wanted, given: Mapping[str, Any], note: Callable[[str], None]
) -> Source:
    """Return the options of the run; the given ones override those of the sweep.

    Raises:
        UsageError: a file cannot be read, or an option is wrong.
        ConfigError: all mistakes in a file, each with its line.
        EnvironmentProblem: a library of the objective is not installed.
    """
    recipe = read_recipe(wanted.config)
    _check_executor(recipe)
    document = read_yaml(wanted.hpo_config)
    files = {"script": str(SCRIPT), "param_file": str(wanted.hpo_config)}
    source = source_of_run({**given, **files}, note)
    options = dict(source.options)
    if "param_list" not in options:  # a list of hyperparameters without a sweep around it
        options |= read_space(document).describe()
    options["param_list"] = typed_space(options["param_list"], recipe, document)
    synergy, objective = _objective(wanted, document)
    if "direction" not in given:
        options["direction"] = _direction(wanted, synergy, document)
    settings = replace(wanted.settings, text_key=_text_key(recipe))
    synergy.check(settings)
    steps = ladder(wanted.shares, options)
    words = {
        "config": wanted.config.absolute(),
        "objective": objective,
        "shares": ",".join(f"{share:.6g}" for share in steps.shares),
        "full": steps.full,
        **_words_of(settings),
    }
    options |= {
        "script_args": tuple(f"--{name}={value}" for name, value in words.items()),
        "evaluator": "fulltrail",
        "skip_preflight": True,
    }
    options.setdefault("preload", ",".join((*_MODULES, *synergy.imports)))
    for name in ("metric", "param_file"):
        options.pop(name, None)
    return replace(source, options=options, file=document)


def _words_of(settings: Settings) -> dict[str, Any]:
    """Return the options of the objectives that differ from their defaults, as trials get them."""
    usual = Settings(settings.text_key)
    names = ("held_out", "good", "bad", "label", "tokens", "command")
    found = {name: getattr(settings, name) for name in names}
    found = {name: value for name, value in found.items() if value != getattr(usual, name)}
    found = {
        name: value.absolute() if isinstance(value, Path) else value
        for name, value in found.items()
    }
    return {"objective_command" if name == COMMAND else name: one for name, one in found.items()}


# --- the recipe ---------------------------------------------------------------------------------


def _check_executor(recipe: Recipe) -> None:
    kind = recipe.document.value.get("executor_type") or "default"
    if kind != "default":
        where = recipe.where(("executor_type",))
        why = f"{where} executor_type {short(kind)} is not supported by a search; use default"
        raise ConfigError(recipe.document.source, [why])


def _text_key(recipe: Recipe) -> str:
    keys = recipe.document.value.get("text_keys") or "text"
    return str(keys[0] if isinstance(keys, list) and keys else keys)


# --- the objective ------------------------------------------------------------------------------


def _objective(wanted: Wanted, document: Document) -> tuple[Synergy, str]:
    """Return the objective: the given one, a command, or the metric of the sweep."""
    text = wanted.objective or (COMMAND if wanted.settings.command else None)
    if text:
        return Synergy.of(text), text
    text = str(_metric(document).get("name") or USUAL)
    try:
        return Synergy.of(text), text
    except UsageError as error:
        where = document.where(("metric", "name"))
        tip = "or give the objective: --objective=quality_score, or --objective_command=CMD"
        raise ConfigError(document.source, [f"{where} {error.message}"], tip) from None


def _direction(wanted: Wanted, synergy: Synergy, document: Document) -> str:
    """Return the direction: that of the objective, unless the sweep has a goal for it."""
    goal = str(_metric(document).get("goal") or "").lower()
    is_of_sweep = not wanted.objective or COMMAND in synergy.weights
    if goal in ("maximize", "minimize") and is_of_sweep:
        return goal
    return "maximize" if synergy.is_maximized else "minimize"


def _metric(document: Document) -> Mapping[str, Any]:
    metric = document.value.get("metric") if isinstance(document.value, Mapping) else None
    return metric if isinstance(metric, Mapping) else {}


# --- the space ----------------------------------------------------------------------------------


def typed_space(
    entries: list[dict[str, Any]], recipe: Recipe, document: Document
) -> list[dict[str, Any]]:
    """Return the hyperparameters with the types of the operators' arguments.

    Raise ConfigError with all names and values that the recipe does not take.
    """
    findings, found = Findings(document), []
    for index, entry in enumerate(entries):
        place = _place(entry, index, document)
        try:
            target = target_of(entry["name"], recipe)
        except ValueError as error:
            findings.mistake(place, str(error))
            continue
        for problem in _problems(entry, target):
            findings.mistake(place, f"{entry['name']}: {problem}")
        found.append(_typed(entry, target))
    if findings.mistakes:
        raise ConfigError(document.source, findings.mistakes)
    return found


def _place(entry: Mapping[str, Any], index: int, document: Document) -> Path_:
    """Return where a hyperparameter is in its file: a sweep, or a list."""
    nested: Path_ = ()
    for name in entry.get("path") or [entry["name"]]:
        nested = (*nested, "parameters", name)
    return nested if nested in document.places else ("param_list", index)


def _problems(entry: Mapping[str, Any], target: Target) -> Iterator[str]:
    """Yield why values of a hyperparameter cannot be those of its argument."""
    kind = target.argument.type
    if "choices" in entry or "value" in entry:
        values = entry["choices"] if "choices" in entry else [entry["value"]]
    elif kind in ("bool", "str"):
        values = [entry["init_value"]]  # a number, which it does not take
    else:
        ends = [(entry[key], whole) for key, whole in _BOUNDS.items() if key in entry]
        values = [whole(end) if kind == "int" else end for end, whole in ends]
    for value in values:
        try:
            target.argument.cast(value)
        except ValueError as error:
            yield f"{short(value)} {error}"


def _typed(entry: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Return the entry for an argument, starting from the recipe's own value if it is inside."""
    found, is_whole = dict(entry), target.argument.type == "int"
    if is_whole and entry["type"] == "float":
        found["type"] = "int"
        for key, whole in _BOUNDS.items():
            if key in found:
                found[key] = whole(found[key])
        for key in ("init_value", "round_to"):
            if key in found:
                found[key] = max(1, round(found[key])) if key == "round_to" else round(found[key])
    if _is_inside(target.value, found):
        found["init_value"] = target.value
    return found


def _is_inside(value: Any, entry: Mapping[str, Any]) -> bool:
    """Return whether a value of the recipe can be the first that is tried."""
    if "choices" in entry:
        return any(type(one) is type(value) and one == value for one in entry["choices"])
    if not _BOUNDS.keys() <= entry.keys() or not isinstance(value, (int, float)):
        return False
    is_on_grid = "round_to" not in entry or (entry["type"], entry["round_to"]) == ("int", 1)
    return is_on_grid and entry["greater_than"] <= value <= entry["lower_than"]


def refuse_script(given: Mapping[str, Any]) -> None:
    """Raise UsageError for options of a run that a search over recipes sets itself."""
    for name, instead in (("param_file", "--hpo_config"), ("metric", "--objective")):
        if name in given:
            why = f"has no effect here; give {instead}"
            raise UsageError(Mistake(name, why, given[name]))
    for name in ("script", "script_args"):
        if name in given:
            word = given[name] if name == "script" else given[name][0]
            why = f"{short(word)} is not an option of `recipe search`"
            raise UsageError(why, "autofinetune recipe search --help lists them")
