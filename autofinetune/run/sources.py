"""Collect the options of a run from the command line and from the file that it names."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autofinetune.config.build import COMMAND_LINE
from autofinetune.config.described import DESCRIBED
from autofinetune.config.option import pairs
from autofinetune.config.options import OPTIONS
from autofinetune.errors import ConfigError, Mistake, UsageError, did_you_mean
from autofinetune.manifests import (
    AUTOTUNE,
    FORMATS,
    Manifest,
    label_of,
    read_manifest,
    read_search,
)
from autofinetune.run import optuna_study
from autofinetune.run.parts import one_thread
from autofinetune.space import Document, as_text, read_space, read_yaml
from autofinetune.space.fields import Findings, one_line
from autofinetune.space.yaml_values import Path_

Note = Callable[[str], None]
FILES = (".yaml", ".yml", ".json")
# Options of the command line, and what they replace in the file.
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
    """The options of a new run, and the file that some of them come from, if any."""

    options: Mapping[str, Any]
    file: Document | None = None
    origins: Mapping[str, Path_] = field(default_factory=dict)
    """The path in the file of each option that it sets."""
    is_told: bool = False
    """Whether the notes about the search space were already printed."""

    @contextlib.contextmanager
    def mistakes(self) -> Iterator[None]:
        """Add the place in the file to mistakes in options that come from it."""
        try:
            yield
        except UsageError as error:
            found = error.found if isinstance(error, ConfigError) else (error.mistake,)
            are_ours = [one for one in found if isinstance(one, Mistake)]
            is_here = any(one.option in self.origins for one in are_ours)
            is_typed = isinstance(error, ConfigError) and error.source == COMMAND_LINE
            if self.file is None or len(are_ours) < len(found) or not (is_here or is_typed):
                raise
            told = [self._told(one) for one in are_ours]
            raise ConfigError(self.file.source, told, error.tip) from None

    def _told(self, mistake: Mistake) -> str:
        assert self.file is not None
        path = self.origins.get(mistake.option)
        if path is None:
            is_named = mistake.option and not mistake.is_sentence
            return str(mistake) if is_named else f"{self.file.where(())} {mistake}"
        if path == (mistake.option,) and not mistake.is_sentence:
            return f"{self.file.where(path)} {mistake.worded()}"
        return f"{self.file.where(path)} {label_of(path)}: {mistake}"


def source_of_run(given: Mapping[str, Any], note: Note) -> Source:
    """Return the options of a new run; the given ones override those of the file.

    `script` may be a file that describes a run; `note` receives notes about it. Raise UsageError
    if the file cannot be read or options contradict each other, ConfigError if it is no run.
    """
    if given.get("round") and given.get("max_trials"):
        why = f"and --max_trials={given['max_trials']} both set the length of the run"
        raise UsageError(Mistake("round", why, given["round"]), "give one of them")
    script = str(given.get("script") or "")
    if "working_dir" in given:
        given = _working_elsewhere(given)
    if Path(script).suffix not in FILES:
        _refuse_volumes(given)
        return _with_search(given, note)
    given = {key: value for key, value in given.items() if key != "script" and value}
    for name in ("param_file", "enqueue"):
        if name in given:  # relative to the current directory, not to working_dir
            given[name] = str(Path(given[name]).absolute())
    replaced = {_INSTEAD_OF[key] for key in _INSTEAD_OF.keys() & given.keys()}
    with one_thread():
        manifest = read_manifest(Path(script), given=given)
    for sentence in manifest.notes if manifest else ():
        note(sentence)
    origins: Mapping[str, Path_]
    if manifest is None:
        document = read_yaml(Path(script))
        has_space, is_elsewhere = "param_list" not in replaced, "working_dir" in given
        found = _of_config(document, note, has_space=has_space, is_elsewhere=is_elsewhere)
        origins = {key: (key,) for key in found}
    else:
        document, origins = manifest.document, manifest.origins
        found = _of_manifest(manifest, given)
    if manifest is None or manifest.format != AUTOTUNE:
        _refuse_volumes(given)
    kept = {key: value for key, value in found.items() if key not in replaced}
    if "secrets" in kept and "secrets" in given:  # a manifest says which of those in the file
        given["secrets"] = kept["secrets"]
    for key in ("strategy_options", "assessor_options"):
        with contextlib.suppress(ValueError):  # reported when all options are checked
            if key in kept and key in given:
                given[key] = {**pairs(kept[key]), **pairs(given[key])}
    return Source(
        kept | given,
        document,
        {key: path for key, path in origins.items() if key not in given},
        is_told=manifest is not None and "param_list" not in replaced,
    )


def _with_search(given: Mapping[str, Any], note: Note) -> Source:
    """Return the options for a script, including those in --param_file besides the space."""
    file = Path(str(given.get("param_file") or ""))
    try:
        read_yaml(file)
    except UsageError:
        return Source(given)  # reported when all options are checked
    with one_thread():
        search = read_search(file, given={k: v for k, v in given.items() if v})
    if search is None:
        return Source(given)
    replaced = {_INSTEAD_OF[key] for key in _INSTEAD_OF.keys() & given.keys()} - {"param_list"}
    found = {k: v for k, v in search.options.items() if k not in {*replaced, *given}}
    for sentence in (*search.notes, *_given_by(file, found)):
        note(sentence)
    origins = {key: path for key, path in search.origins.items() if key in found}
    return Source({**found, **given}, search.document, origins, is_told=True)


def _given_by(file: Path, options: Mapping[str, Any]) -> Sequence[str]:
    """Return a note that lists what a file sets besides the space, as command line options."""
    words = [
        f"--{name}={shlex.quote(_shown(value))}"
        for name, value in options.items()
        if name != "param_list" and value != {}
    ]
    said = f"{file.name} gives {' '.join(words)}; options of the command line take precedence"
    return [one_line(said)] if words else []


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={as_text(one)}" for key, one in value.items())
    return as_text(value)


def _working_elsewhere(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check `--working_dir` and make file names absolute, relative to the current directory."""
    folder = Path(given["working_dir"]).expanduser().absolute()
    if not folder.is_dir():
        why = ": there is no such directory"
        raise UsageError(Mistake("working_dir", why, given["working_dir"]))
    files = {
        name: str(Path(given[name]).absolute())
        for name in ("script", "param_file", "enqueue", "lease_dir")
        if given.get(name)
    }
    if given.get("warm_start"):
        earlier = str(given["warm_start"]).split(",")
        files["warm_start"] = ",".join(_absolute(name) for name in earlier if name)
    return {**given, **files, "working_dir": str(folder)}


def _absolute(earlier: str) -> str:
    if earlier.startswith(optuna_study.PREFIX):
        return optuna_study.absolute(earlier, Path.cwd())
    return str(Path(earlier).absolute())


def _refuse_volumes(given: Mapping[str, Any]) -> None:
    if given.get("volume"):
        mistake = Mistake("volume", f"is for the volumes of an {AUTOTUNE}", given["volume"][0])
        tip = "leave it out, or run the manifest: autofinetune run experiment.yaml --volume=..."
        raise UsageError(mistake, tip)


def _of_manifest(manifest: Manifest, given: Mapping[str, Any]) -> Mapping[str, Any]:
    options = dict(manifest.options)
    if "gpu" in given:  # then the slots are given
        options.pop("max_parallel", None)
        if str(given["gpu"]).startswith("cpu"):
            options.pop("gpus_per_trial", None)
            options.pop("trials_per_gpu", None)
    return options


def _of_config(
    document: Document, note: Note, *, has_space: bool, is_elsewhere: bool
) -> Mapping[str, Any]:
    described = document.value
    if not isinstance(described, Mapping) or not (described.keys() & {"script", "command"}):
        known = ", ".join(FORMATS)
        kind = str(described.get("kind", "")) if isinstance(described, Mapping) else ""
        is_katib = kind == "Experiment"  # and not another kind with a similar name
        hint = "" if is_katib else did_you_mean(kind, FORMATS)
        why = f"not the config.yaml of a run: it names no script; nor is it one of: {known}{hint}"
        tip = (
            f"to tune a script, put it first: autofinetune train.py --param_file={document.source}"
        )
        raise ConfigError(document.source, [f"{document.where(())} {why}"], tip)
    findings = Findings(document)
    for key in described:
        if key not in DESCRIBED | OPTIONS.keys():
            findings.mistake((key,), f"{key} is unknown{did_you_mean(key, DESCRIBED)}")
    folder = None if is_elsewhere else described.get("working_dir")
    if folder and not Path(str(folder)).is_dir():
        findings.mistake(("working_dir",), f"there is no directory {folder}")
    if findings.mistakes:
        raise ConfigError(document.source, findings.mistakes)
    if described.get("python") not in (None, sys.executable):
        findings.note(("python",), "python has no effect: trials run with the tuner's Python")
        for sentence in findings.notes:
            note(sentence)
    if has_space and "param_list" in described:
        only = {"param_list": described["param_list"]}
        read_space(Document(document.source, only, document.places))
    found = dict(described)
    if isinstance(found.get("gpu"), list):
        found["gpu"] = ",".join(map(str, found["gpu"]))
    return found
