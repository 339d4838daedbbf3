"""Manifests of other tools, each read into the options of a run of ours.

A new format is a file in this folder with a function `read`, and a line in `FORMATS`.
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
    """A manifest as it is understood.

    `options` are those of a run, by their long names, with the space as `param_list`; `notes` say
    with file and line what of the manifest has no effect, or another than one might think;
    `origins` are the places of options whose values only show later whether they can be.
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
# Files for --param_file that say more about the search than its space.
SEARCHES = (
    _Format(katib.KIND, katib.is_experiment, katib.read_search, False),
    _Format("W&B sweep", wandb.is_search, wandb.read_search),
    _Format(hydra.KIND, hydra.is_configuration, hydra.read_search, False),
)


def read_manifest(
    path: Path, *, check_files: bool = True, given: Mapping[str, Any] | None = None
) -> Manifest | None:
    """The manifest in a file; None for one that is none, such as a config.yaml of ours.

    Args:
        path: of the file.
        check_files: whether the programs and directories that it names must be there.
        given: options of the command line, which replace what the file says.

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
        file.note((), "no number of trials and no time is given: it goes on until you stop it; "
                      "--max_trials=50 ends it")  # fmt: skip
    return _manifest(file, format_, {"max_trials": MOST_TRIALS} | options)


def read_search(path: Path, *, given: Mapping[str, Any] | None = None) -> Manifest | None:
    """What a file says about the search for a script that it does not name; None if it is ours.

    Args:
        path: of the file.
        given: options of the command line, which replace what the file says.

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
    """Put what trials get besides hyperparameters into the search space, as constants."""
    constants = found.pop(CONSTANTS, {})
    if "param_list" not in found:  # it has mistakes
        return
    for name, value in constants.items():
        if any(entry["name"] == name for entry in found["param_list"]):
            file.mistake((), f"the search space must not have {name}, which the tuner sets")
        found["param_list"].append({"name": name, "type": "constant", "value": value})


def _remedy(file: File) -> str | None:
    """The command that runs the file after all, if options can replace all that is wrong."""
    if not file.remedies or len(file.remedies) < len(file.mistakes):
        return None
    typed = dict(file.given)
    rest = typed.pop("script_args", ())
    script = typed.pop("script", None)  # for which the file is the --param_file
    words = ["autofinetune", script or "run", *([] if script else [file.document.source])]
    for name, value in typed.items():
        each = value if isinstance(value, list) else [value]
        words += [f"--{name}" if one is True else f"--{name}={one}" for one in each]
    words += [*dict.fromkeys(file.remedies), *rest]
    return f"to run it anyway: {shlex.join(words)}"


__all__ = ["AUTOTUNE", "BOUNDS", "FORMATS", "Manifest", "label_of", "read_manifest", "read_search"]
