"""Readers that turn the manifests of other tools into the options of a run.

Add a format as a file in this folder with a `Format`, and a line in `FORMATS`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.config.config import MOST_TRIALS
from autofinetune.errors import ConfigError
from autofinetune.plugins import PlugIns
from autofinetune.space import Document
from autofinetune.space.yaml_values import Path_

from .autotune import KIND as AUTOTUNE
from .file import File
from .format import Format, Read
from .reader import CONSTANTS, label_of


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read.

    `options` are the options of a run by their long names, with the space as `param_list`. `notes`
    name, with file and line, the fields that have no effect or an unexpected one.
    """

    format: str
    options: Mapping[str, Any]
    notes: tuple[str, ...]
    origins: Mapping[str, Path_]
    document: Document


BOUNDS = frozenset({"max_trials", "max_seconds", "target_score"})  # options that end a run
FORMATS = PlugIns(
    "autofinetune.manifests",
    {
        AUTOTUNE: "autofinetune.manifests.autotune:FORMAT",
        "Katib experiment": "autofinetune.manifests.katib:FORMAT",
        "W&B sweep": "autofinetune.manifests.wandb:FORMAT",
        "NNI configuration": "autofinetune.manifests.nni:FORMAT",
        "Hydra sweeper": "autofinetune.manifests.hydra:FORMAT",
    },
)


def read_manifest(
    path: Path, *, check_files: bool = True, given: Mapping[str, Any] | None = None
) -> Manifest | None:
    """Read the manifest in a file; return None if it is none, such as our own config.yaml.

    With `check_files`, the programs and directories that it names must exist. `given` are options
    of the command line, which override those of the file.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: all mistakes in it, each with file, line and column.
    """
    file = File(path, check_files=check_files, given=given)
    name, format_ = _format_of(file)
    if format_ is None:
        return None
    options = _read(file, format_, format_.read)
    if not file.given.keys() & {"round", *BOUNDS} and not options.keys() & BOUNDS:
        file.note((), "no number of trials and no time limit is given: the run continues until "
                      "you stop it; --max_trials=50 limits it")  # fmt: skip
    options = {"max_trials": MOST_TRIALS} | options
    return Manifest(name, options, tuple(file.notes), file.origins, file.document)


def read_search(path: Path, *, given: Mapping[str, Any] | None = None) -> Manifest | None:
    """Read the search for a script that the file itself does not name, as `read_manifest` does."""
    file = File(path, check_files=False, given=given)
    name, format_ = _format_of(file, has_search=True)
    if format_ is None or format_.read_search is None:
        return None
    options = _read(file, format_, format_.read_search)
    return Manifest(name, options, tuple(file.notes), file.origins, file.document)


def _format_of(file: File, *, has_search: bool = False) -> tuple[str, Format | None]:
    """Return the format of a file and its name; those of other packages come last."""
    top = file.document.value
    if not isinstance(top, Mapping) or "param_list" in top:  # it is our own
        return "", None
    for name in FORMATS:
        format_: Format = FORMATS.load(name)
        if (format_.read_search or not has_search) and format_.is_it(top):
            return name, format_
    return "", None


def _read(file: File, format_: Format, read: Read) -> dict[str, Any]:
    if format_.is_yaml_1_1:
        file.as_yaml_1_1()
    found = read(file)
    _add_constants(file, found)
    if file.mistakes:
        raise ConfigError(str(file.path), file.mistakes, _remedy(file) or file.tip)
    return {name: value for name, value in found.items() if value is not None}


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
