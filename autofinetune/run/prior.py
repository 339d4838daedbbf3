"""Prior knowledge of a run: configurations to try first, and trials of earlier runs."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import math
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from autofinetune.config.config import Config
from autofinetune.config.described import described_values
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.errors import AutofinetuneError, Mistake, UsageError
from autofinetune.run import optuna_study
from autofinetune.space import Space, Value, as_text
from autofinetune.space.yaml_file import read_named
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import opened_run
from autofinetune.strategies import Known

_MOST_BYTES = 64 << 20
_ENDED = (None, "", "COMPLETED", "FAILED")  # without the column, every trial has ended


def read_enqueued(file: Path, space: Space, option: str = "enqueue") -> list[Mapping[str, Value]]:
    """Read configurations from a CSV file whose first line names hyperparameters.

    A hyperparameter without a column, or with an empty cell, gets its initial value, unless
    earlier choices make it inactive. Columns that are not hyperparameters are ignored. Raise
    UsageError if the file cannot be read, has no column of this space, or has an invalid value;
    `option` named it.
    """
    found = []
    for line, row in enumerate(_read_table(file, space, option), 2):
        try:
            found.append(configuration(row, space))
        except UsageError as error:
            raise _mistake(option, file, f", line {line}: {error.message}", error.tip) from None
    return found


def configuration(cells: Mapping[str, str | None], space: Space) -> Mapping[str, Value]:
    """Return the configuration with the given values as text; absent ones are initial.

    Raise UsageError for a value that the space does not allow.
    """
    params: dict[str, Value] = {}
    for parameter in space:
        text = cells.get(parameter.name)
        if not space.is_active(parameter, params):
            if text:
                why = "has a value, but the choice that it depends on was not made"
                raise UsageError(f"{parameter.name} {why}", "leave the value out")
            continue
        try:
            params[parameter.name] = parameter.parse(text) if text else parameter.init
        except ValueError:
            why = f"{text!r} is not a value of {parameter.name}"
            raise UsageError(why, f"allowed values: {dict(parameter.describe())}") from None
    return params


def read_trials(file: Path, space: Space, direction: Direction, option: str = "") -> list[Known]:
    """Read trials from a CSV file whose first line names hyperparameters and `score`.

    It may be the trials.csv of a run: trials that have not completed or failed are left out, as
    are those with values outside the space. An empty or non-finite score is that of a failed
    trial. Raise UsageError if the file cannot be read, has no such columns or no score, or none
    of its trials fits; `option` named it.
    """
    rows = _read_table(file, space, option)
    if not rows or "score" not in rows[0]:
        tip = "its first line must name hyperparameters and score, and each other line is a trial"
        raise _mistake(option, file, "has no column score, or no trials", tip)
    found = []
    for line, row in enumerate(rows, 2):
        if row.get("state") not in _ENDED:
            continue
        text = row["score"] or "nan"
        try:
            score = float(text)
        except ValueError:
            why = f", line {line}: the score {text!r:.60} is not a number"
            raise _mistake(option, file, why, "leave it empty for a failed trial") from None
        with contextlib.suppress(UsageError):
            merit = direction.merit(score) if math.isfinite(score) else None
            found.append(Known(configuration(row, space), merit))
    if not found:
        why = f": none of its {len(rows)} trials has ended and fits this space"
        raise _mistake(option, file, why, "its values must be in the ranges of this space")
    return found


def _read_table(file: Path, space: Space, option: str) -> list[Mapping[str, str | None]]:
    """Return the lines of a CSV file by column, which must include a hyperparameter."""
    try:
        data = read_named(file, _MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            tip = "give a table of configurations, such as a part of a trials.csv"
            raise _mistake(option, file, f"has more than {_MOST_BYTES >> 20} MiB", tip)
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        rows: list[Mapping[str, str | None]] = list(reader)
        columns = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _mistake(option, file, f"cannot be read: {error}") from None
    names = [parameter.name for parameter in space]
    if not set(columns) & set(names):
        why = f"has no column of a hyperparameter; its columns are: {', '.join(columns) or 'none'}"
        tip = f"its first line must name some of: {', '.join(names)}"
        raise _mistake(option, file, why, tip)
    return rows


def read_earlier(
    directory: Path, space: Space, direction: Direction, option: str = "warm_start"
) -> list[Known]:
    """Return the finished trials of the run in `directory` that fit `space`.

    Hyperparameters that the earlier run did not search get their initial values. Trials with
    values outside the space are left out. Raise UsageError if there is no run, its direction
    differs, or none of its trials fits; `option` named it.
    """
    state = State(direction)
    try:
        with opened_run(directory) as paths:
            if not os.path.lexists(paths.journal):
                why = f"holds no run (there is no {paths.journal.name})"
                tip = "give the output directory of an earlier run"
                raise _mistake(option, directory, why, tip)
            with closing(SqliteJournal(paths.journal, read_only=True)) as journal:
                created = journal.created()
                if created is not None:
                    described_values(created.config)  # which checks them
                    state.apply_all(journal.events())
    except UsageError:
        raise
    except AutofinetuneError as error:
        why = f"cannot be read: {error}"
        raise _mistake(option, directory, why, error.tip) from None
    theirs = Direction(state.config.get("direction", direction.value))
    if theirs is not direction:
        why = f": that run {theirs.value}d its score; this one {direction.value}s it"
        tip = f"give --direction={theirs.value}, or another run"
        raise _mistake(option, directory, why, tip)
    ended = [trial for trial in state.trials.values() if trial.status.is_final]
    fitted = ((trial, _fitted(trial.params, space)) for trial in ended)
    found = [Known(params, state.told(trial)) for trial, params in fitted if params is not None]
    if not found:
        why = f": none of its {len(ended)} finished trials fits this space"
        tip = (
            "at least one hyperparameter must have the same name, and its values must be in range"
        )
        raise _mistake(option, directory, why, tip)
    return found


def read_study(
    source: str, space: Space, direction: Direction, option: str = "warm_start"
) -> list[Known]:
    """Return the finished trials of the Optuna study `optuna:URL#NAME` that fit `space`.

    Hyperparameters are matched by name, and values are read as those of a CSV file. What a trial
    does not have gets its initial value; trials with values outside the space are left out. Raise
    UsageError if there is no such study, its direction differs, or none of its trials fits;
    EnvironmentProblem if Optuna is missing or cannot read it.
    """
    shown = optuna_study.shown(source)
    try:
        ended = list(optuna_study.finished_trials(source, direction))
    except UsageError as error:
        raise _mistake(option, shown, f": {error.message}", error.tip) from None
    found = []
    for theirs, merit in ended:
        with contextlib.suppress(ValueError):
            read = {p.name: p.parse(as_text(theirs[p.name])) for p in space if p.name in theirs}
            params = _fitted(read, space)
            if params is not None:
                found.append(Known(params, merit))
    if not found:
        names = ", ".join(sorted({name for theirs, _ in ended for name in theirs})) or "none"
        why = f": none of its {len(ended)} finished trials fits this space"
        tip = f"names must be the same and values in range; its parameters: {names}"
        raise _mistake(option, shown, why, tip)
    return found


def _fitted(params: Mapping[str, Value], space: Space) -> Mapping[str, Value] | None:
    if not any(parameter.name in params for parameter in space):
        return None
    fitted: dict[str, Value] = {}
    try:
        for parameter in space:
            if space.is_active(parameter, fitted):
                fitted[parameter.name] = params.get(parameter.name, parameter.init)
        space.encode(fitted)
    except ValueError:
        return None
    return fitted


def _mistake(option: str, value: Path | str, problem: str, tip: str | None = None) -> UsageError:
    if option:
        return UsageError(Mistake(option, problem, value), tip)
    joint = "" if problem.startswith((":", ",")) else " "
    return UsageError(f"{value}{joint}{problem}", tip)


def with_prior(config: Config, options: Mapping[str, Any], tell: Callable[[str], None]) -> Config:
    """Return the config with the contents of the files and runs in `enqueue` and `warm_start`."""
    if options.get("enqueue"):
        file = Path(config.working_dir, str(options["enqueue"]))
        config = dataclasses.replace(config, enqueued=tuple(read_enqueued(file, config.space)))
    runs = []
    for name in filter(None, str(options.get("warm_start") or "").split(",")):
        earlier = _read_any(name, config)
        shown = optuna_study.shown(name)
        tell(f"warm start: {len(earlier)} trials of {shown} fit this space")
        runs.append(tuple({"params": k.params, "merit": k.merit} for k in earlier))
    return dataclasses.replace(config, earlier=tuple(runs)) if runs else config


def _read_any(name: str, config: Config) -> list[Known]:
    """Read the trials of one entry of `warm_start`."""
    if name.startswith(optuna_study.PREFIX):
        source = optuna_study.absolute(name, Path(config.working_dir))
        return read_study(source, config.space, config.direction)
    path = Path(config.working_dir, name)
    read = read_trials if path.suffix.lower() == ".csv" and path.is_file() else read_earlier
    return read(path, config.space, config.direction, "warm_start")
