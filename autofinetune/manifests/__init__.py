"""Readers that turn the manifests of other tools into the options of a run.

Add a format as a file in this folder with a function `read`, and a line in `FORMATS`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.config.config import MOST_TRIALS
from autofinetune.errors import ConfigError
from autofinetune.space import Document
from autofinetune.space.yaml_file import Path_

from . import autotune, hydra, katib, nni, wandb
from .reader import CONSTANTS, File, label_of


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read.

    `options` are the options of a run by their long names, with the space as `param_list`. `notes`
    name, with file and line, the fields that have no effect or an unexpected one. `origins` are
    the places of options whose values are checked later.
    """

    format: str
    options: Mapping[str, Any]
    notes: tuple[str, ...]
    origins: Mapping[str, Path_]
    document: Document


@dataclass(frozen=True)
class _Format:
    name: str
    is_it: Callable[[Mapping[str, Any]], bool]
    read: Callable[[File], dict[str, Any]]
    is_yaml_1_1: bool = True


BOUNDS = frozenset({"max_trials", "max_seconds", "target_score"})  # options that end a run
AUTOTUNE = autotune.KIND
_NNI = {"trial", "trialcommand", "searchspacepath", "searchspacefile", "trialconcurrency"}
FORMATS = (
    _Format(AUTOTUNE, lambda top: top.get("kind") == AUTOTUNE, autotune.read, False),
    _Format(katib.KIND, katib.is_experiment, katib.read, False),
    _Format("W&B sweep", wandb.is_sweep, wandb.read),
    _Format(
        "NNI configuration",
        lambda top: not _NNI.isdisjoint(str(key).replace("_", "").lower() for key in top),
        nni.read,
    ),
    _Format(hydra.KIND, hydra.is_configuration, hydra.read, False),
)
# Files for --param_file that describe the search, not only its space.
SEARCHES = (
    _Format(katib.KIND, katib.is_experiment, katib.read_search, False),
    _Format("W&B sweep", wandb.is_search, wandb.read_search),
    _Format(hydra.KIND, hydra.is_configuration, hydra.read_search, False),
)


def read_manifest(
    path: Path, *, check_files: bool = True, given: Mapping[str, Any] | None = None
) -> Manifest | None:
    """Read the manifest in a file.

    Args:
        path: the path of the file.
        check_files: whether the programs and directories that it names must exist.
        given: options of the command line, which override those of the file.

    Returns:
        The manifest, or None if the file is not one, such as our own config.yaml.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: all mistakes in it, each with file, line and column.
    """
    file = File(path, check_files=check_files, given=given)
    format_ = _format_of(file, FORMATS)
    if format_ is None:
        return None
    options = _read(file, format_)
    if not file.given.keys() & {"round", *BOUNDS} and not options.keys() & BOUNDS:
        file.note((), "no number of trials and no time limit is given: the run continues until "
                      "you stop it; --max_trials=50 limits it")  # fmt: skip
    return _manifest(file, format_, {"max_trials": MOST_TRIALS} | options)


def read_search(path: Path, *, given: Mapping[str, Any] | None = None) -> Manifest | None:
    """Read the search for a script that the file itself does not name.

    Args:
        path: the path of the file.
        given: options of the command line, which override those of the file.

    Returns:
        The search, or None if the file is in our own format.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: all mistakes in it, each with file, line and column.
    """
    file = File(path, check_files=False, given=given)
    format_ = _format_of(file, SEARCHES)
    return None if format_ is None else _manifest(file, format_, _read(file, format_))


def _format_of(file: File, formats: Sequence[_Format]) -> _Format | None:
    top = file.document.value
    return next((f for f in formats if isinstance(top, Mapping) and f.is_it(top)), None)


def _read(file: File, format_: _Format) -> dict[str, Any]:
    if format_.is_yaml_1_1:
        file.as_yaml_1_1()
    found = format_.read(file)
    _add_constants(file, found)
    if file.mistakes:
        raise ConfigError(str(file.path), file.mistakes, _remedy(file) or file.tip)
    return {name: value for name, value in found.items() if value is not None}


def _manifest(file: File, format_: _Format, options: Mapping[str, Any]) -> Manifest:
    return Manifest(format_.name, options, tuple(file.notes), file.origins, file.document)


def _add_constants(file: File, found: dict[str, Any]) -> None:
    """Add what trials get besides hyperparameters to the search space, as constants."""
    constants = found.pop(CONSTANTS, {})
    if "param_list" not in found:  # it has mistakes
        return
    for name, value in constants.items():
        if any(entry["name"] == name for entry in found["param_list"]):
            file.mistake((), f"the search space must not contain {name}, which the tuner sets")
        found["param_list"].append({"name": name, "type": "constant", "value": value})


def _remedy(file: File) -> str | None:
    """Return a tip with a command that runs the file, if options can replace all wrong parts."""
    if not file.remedies or len(file.remedies) < len(file.mistakes):
        return None
    typed = dict(file.given)
    rest = typed.pop("script_args", ())
    script = typed.pop("script", None)  # then the file is its --param_file
    words = ["autofinetune", script or "run", *([] if script else [file.document.source])]
    for name, value in typed.items():
        each = value if isinstance(value, list) else [value]
        words += [f"--{name}" if one is True else f"--{name}={one}" for one in each]
    words += [*dict.fromkeys(file.remedies), *rest]
    return f"to run it anyway: {shlex.join(words)}"


__all__ = ["AUTOTUNE", "BOUNDS", "FORMATS", "Manifest", "label_of", "read_manifest", "read_search"]
