"""The sweeper in a Hydra configuration: the search for a script that Hydra configures.

Such a file names no script, so it is given with `--param_file`. Hydra's Optuna and basic sweepers
are supported; the configuration of the application itself is ignored.
"""

from __future__ import annotations

from typing import Any

from autofinetune.space.fields import short
from autofinetune.space.hydra import BASIC, OPTUNA, defaults_of, is_hydra, kind_of, sweeper_of
from autofinetune.strategies import strategy_class

from .arguments import DIRECTIONS, by_any_name
from .file import File
from .format import Format
from .reader import NO_EFFECT, Section

SAMPLERS = {
    "tpe": "tpe", "random": "random", "cmaes": "hazero", "grid": "grid", "gp": "gp",
    "nsgaii": "evolution", "nsgaiii": "evolution", "motpe": "tpe", "qmc": "random",
    "bruteforce": "grid", "partialfixed": "random",
}  # fmt: skip


def read(file: File) -> dict[str, Any]:
    """Report how such a file is used."""
    file.mistake((), "a Hydra configuration names no script")
    file.needs_script()
    return {}


def read_search(file: File) -> dict[str, Any]:
    """Return the options of a run that the sweeper gives."""
    value = file.document.value
    found = sweeper_of(value)
    assert found is not None
    sweeper = Section(file, *found)
    kind = kind_of(value, found[0])
    if kind not in (OPTUNA, BASIC):
        why = f"the sweeper {short(kind)} is not supported; use Hydra's optuna or basic sweeper"
        file.mistake(found[1], why)
        return {}
    sweeper.skip("_target_", "params", "search_space", "defaults")
    options: dict[str, Any] = {"evaluator": "fulltrail"}
    space = file.space(file.document)
    options |= space.describe() if space else {}
    if kind == BASIC:
        options["tuning_strategy"] = "grid"
        options["max_trials"] = space.size if space else None
        sweeper.no_effect("max_batch_size")
    else:
        _read_optuna(sweeper, options)
        group = "hydra/sweeper/sampler" if found[1] else "sampler"
        _read_sampler(sweeper, options, defaults_of(value).get(group))
    sweeper.rest()
    return options


def _read_optuna(sweeper: Section, options: dict[str, Any]) -> None:
    options["max_trials"] = _whole(sweeper, "n_trials") or 20
    options["max_parallel"] = _whole(sweeper, "n_jobs")
    _read_direction(sweeper, options)
    if sweeper.take("custom_search_space") is not None:
        why = "is code that draws hyperparameters, which is not run here; write them as params"
        sweeper.mistake("custom_search_space", why)
    sweeper.no_effect("study_name", "max_failure_rate")
    sweeper.no_effect("storage", why=f"{NO_EFFECT}: --output_dir says where results go")


def _whole(section: Section, name: str, least: int = 1) -> int | None:
    """Return a whole number; skip one that Hydra interpolates, and add a note."""
    value = section.value.get(name)
    if isinstance(value, str) and "${" in value:
        section.take(name)
        section.note(name, f"{short(value)} is known only when the application is configured, "
                           f"and not read; set it with --{_OPTIONS[name]}")  # fmt: skip
        return None
    return section.whole(name, least, 2**53)


_OPTIONS = {"n_trials": "max_trials", "n_jobs": "max_parallel", "seed": "seed"}


def _read_direction(sweeper: Section, options: dict[str, Any]) -> None:
    given = sweeper.take("direction")
    if "direction" in sweeper.file.given:
        return
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if isinstance(given, list):
        why = f"names {len(given)} objectives, but only one score can be searched for"
        sweeper.refuse("direction", why, "--direction=minimize")
    elif isinstance(given, str) and "${" in given:
        why = f"{short(given)} is known only when the application is configured"
        sweeper.refuse("direction", why, "--direction=minimize")
    elif given is None or str(given).lower() in DIRECTIONS:
        options["direction"] = str(given or "minimize").lower()
    else:
        sweeper.one_of("direction", DIRECTIONS)


def _read_sampler(sweeper: Section, options: dict[str, Any], chosen: Any) -> None:
    sampler = sweeper.section("sampler")
    target = sampler.text("_target_")
    options["seed"] = _whole(sampler, "seed", 0)
    if "tuning_strategy" in sweeper.file.given:
        return
    class_ = str(target).rpartition(".")[2] if target else ""
    name = (class_.removesuffix("Sampler") or str(chosen or "tpe")).lower()
    if name not in SAMPLERS:
        where = (*sampler.path, "_target_") if target else sampler.path
        why = f"the sampler {short(class_ or name)} is not supported; tpe is used instead"
        sweeper.file.note(where, why)
    strategy = SAMPLERS.get(name, "tpe")
    options["tuning_strategy"] = strategy
    if name != strategy:
        optuna = f"optuna:{class_}" if class_ else "optuna:TPESampler or similar"
        why = f"{strategy} is used instead of the sampler {name[:60]}; if optuna is installed, "
        sweeper.file.note(sampler.path, f"{why}--tuning_strategy={optuna} is the same")
    known = by_any_name(strategy_class(strategy).OPTIONS)
    settings = {}
    for key, value in sampler.value.items():
        if key in ("_target_", "_partial_", "seed") or value is None:
            continue
        try:
            known[key].read(value)
            settings[key] = str(value)
        except (KeyError, ValueError):
            sampler.note(key, NO_EFFECT)
    options["strategy_options"] = settings
    if strategy == "grid" and options.get("max_trials") == 20 and "n_trials" not in sweeper:
        options["max_trials"] = None


FORMAT = Format(is_hydra, read, read_search)
