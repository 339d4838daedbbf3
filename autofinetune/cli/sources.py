"""Where the options of a run come from: the command line, and a file that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.cli.parts import one_thread
from autofinetune.cli.words import note_all
from autofinetune.errors import ConfigError, UsageError, did_you_mean
from autofinetune.manifests import BOUNDS, FORMATS, read_manifest
from autofinetune.space import read_yaml

FILES = (".yaml", ".yml", ".json")
# What an option of the command line takes the place of in the file.
_INSTEAD_OF = {
    "param_file": "param_list",
    "enqueue": "enqueued",
    "warm_start": "earlier",
    "round": "max_trials",
    "tuning_strategy": "strategy_options",
    "assessor": "assessor_options",
}


def options_of_run(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of a new run; those of the command line go before those of the file.

    Raises:
        UsageError: the file cannot be read, or the words contradict each other.
        ConfigError: it holds no run.
    """
    if given.get("round") and given.get("max_trials"):
        raise UsageError(
            f"--round={given['round']} and --max_trials={given['max_trials']} both say how long "
            "the run is",
            "give one of them",
        )
    script = str(given.get("script") or "")
    if Path(script).suffix not in FILES:
        return given
    given = {key: value for key, value in given.items() if key != "script" and value}
    for name in ("param_file", "enqueue"):
        if name in given:  # as typed, not from where the run works
            given[name] = str(Path(given[name]).absolute())
    found = _of_manifest(Path(script), given) or _of_config(script)
    replaced = {_INSTEAD_OF[key] for key in _INSTEAD_OF.keys() & given.keys()}
    return {key: value for key, value in found.items() if key not in replaced} | given


def _of_manifest(path: Path, given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    with one_thread():
        is_bounded = bool(given.keys() & {"round", *BOUNDS})
        manifest = read_manifest(path, is_bounded=is_bounded)
    if manifest is None:
        return None
    note_all(manifest.notes)
    options = dict(manifest.options)
    if "gpu" in given:  # the slots are said, then
        options.pop("max_parallel", None)
        if str(given["gpu"]).startswith("cpu"):
            options.pop("gpus_per_trial", None)
            options.pop("trials_per_gpu", None)
    return options


def _of_config(script: str) -> Mapping[str, Any]:
    document = read_yaml(Path(script))
    described = document.value
    if not isinstance(described, Mapping) or not (described.keys() & {"script", "command"}):
        known = ", ".join(format_.name for format_ in FORMATS)
        kind = str(described.get("kind", "")) if isinstance(described, Mapping) else ""
        hint = did_you_mean(kind, [format_.name for format_ in FORMATS])
        raise ConfigError(
            script,
            [
                f"{document.where(())} not the config.yaml of a run: it names no script; nor is "
                f"it one of: {known}{hint}"
            ],
            "to tune a script give it first: autofinetune train.py --param_file=" + script,
        )
    return described
