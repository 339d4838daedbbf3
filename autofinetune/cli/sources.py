"""Where the options of a run come from: the command line, and a file that it names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.cli.options import run_parser
from autofinetune.cli.parts import one_thread
from autofinetune.cli.words import note_all
from autofinetune.config import DESCRIBED
from autofinetune.configure import COMMAND_LINE
from autofinetune.errors import ConfigError, UsageError, did_you_mean
from autofinetune.manifests import BOUNDS, FORMATS, read_manifest
from autofinetune.space import Document, read_space, read_yaml

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


@dataclass(frozen=True)
class Source:
    """The options of a new run, and the file from which they are, if they are not typed."""

    options: Mapping[str, Any]
    file: Document | None = None
    of_file: frozenset[str] = frozenset()
    """Which of them stand in the file under their names."""

    @contextlib.contextmanager
    def mistakes(self) -> Iterator[None]:
        """What is wrong with options of the file is told of it, not of the command line."""
        try:
            yield
        except ConfigError as error:
            if self.file is None or error.source != COMMAND_LINE:
                raise
            told = [self._told(mistake) for mistake in error.mistakes]
            raise ConfigError(self.file.source, told) from None

    def _told(self, mistake: str) -> str:
        assert self.file is not None
        option = re.match(r"--(\w+)", mistake)
        if option is None:
            return f"{self.file.where(())} {mistake}"
        if option[1] not in self.of_file:
            return mistake
        return f"{self.file.where((option[1],))} {mistake[2:]}"


def source_of_run(given: Mapping[str, Any]) -> Source:
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
        return Source(given)
    given = {key: value for key, value in given.items() if key != "script" and value}
    for name in ("param_file", "enqueue"):
        if name in given:  # as typed, not from where the run works
            given[name] = str(Path(given[name]).absolute())
    replaced = {_INSTEAD_OF[key] for key in _INSTEAD_OF.keys() & given.keys()}
    found, document = _of_manifest(Path(script), given), read_yaml(Path(script))
    of_file = frozenset[str]()
    if found is None:
        found = _of_config(document, has_space="param_list" not in replaced)
        of_file = frozenset(found.keys() - given.keys())
    kept = {key: value for key, value in found.items() if key not in replaced}
    return Source(kept | given, document, of_file)


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


def _of_config(document: Document, *, has_space: bool) -> Mapping[str, Any]:
    described = document.value
    if not isinstance(described, Mapping) or not (described.keys() & {"script", "command"}):
        known = ", ".join(format_.name for format_ in FORMATS)
        kind = str(described.get("kind", "")) if isinstance(described, Mapping) else ""
        hint = did_you_mean(kind, [format_.name for format_ in FORMATS])
        if isinstance(described, Mapping) and {"method", "parameters"} <= described.keys():
            hint = "; a W&B sweep needs program or command, which say what to run"
        raise ConfigError(
            document.source,
            [
                f"{document.where(())} not the config.yaml of a run: it names no script; nor is "
                f"it one of: {known}{hint}"
            ],
            "to tune a script give it first: autofinetune train.py --param_file="
            + document.source,
        )
    options = {action.dest for action in run_parser()._actions}
    mistakes = [
        f"{document.where((key,))} {key} is unknown{did_you_mean(key, DESCRIBED)}"
        for key in described
        if key not in DESCRIBED | options
    ]
    folder = described.get("working_dir")
    if folder and not Path(str(folder)).is_dir():
        mistakes.append(f"{document.where(('working_dir',))} there is no directory {folder}")
    if mistakes:
        raise ConfigError(document.source, mistakes)
    if has_space and "param_list" in described:
        only = {"param_list": described["param_list"]}
        read_space(Document(document.source, only, document.places))
    return described
