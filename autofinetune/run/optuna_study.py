"""Studies of Optuna: opened by URL, and their trials as results that a search learns from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autofinetune.core.curves import Curve, Curves
from autofinetune.core.status import Direction
from autofinetune.errors import AutofinetuneError, EnvironmentProblem, UsageError
from autofinetune.library import Library

OPTUNA = Library("optuna", "4.0", "autofinetune[optuna]")
PREFIX = "optuna:"
EXAMPLE = "sqlite:///study.db#name"
_SQLITE = "sqlite:///"
_PASSWORD = re.compile(r"(://[^:/@]*:)[^@]*@")


class Outcomes:
    """The results of trials as merits (higher is better), and their learning curves."""

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self.curves = Curves()

    def begin(self, trial: Any) -> Curve:
        """Add an Optuna trial as a running one; reports that are not finite are left out."""
        curve = self.curves.begin(trial.number)
        for step, value in sorted(trial.intermediate_values.items()):
            if math.isfinite(value):
                curve.add(step, self._direction.merit(value))
        return curve

    def end(self, trial: Any) -> float | None:
        """Add a finished Optuna trial and return its merit, None for a failed one.

        The merit of a pruned trial is estimated from its reports (see `Curves.expected`); without
        any it counts as failed, as does a trial whose value is not finite.
        """
        curve = self.begin(trial)
        if trial.state.name == "COMPLETE" and math.isfinite(trial.value):
            merit = self._direction.merit(trial.value)
            self.curves.complete(trial.number, merit)
            return merit
        if trial.state.name == "PRUNED" and curve.merits:
            expected = self.curves.expected(curve)
            self.curves.stop(trial.number)
            return expected
        self.curves.fail(trial.number)
        return None


def direction_of(study: Any) -> Direction:
    """Return the direction of a study with one objective."""
    return Direction(study.direction.name.lower())


def finished_trials(source: str, direction: Direction) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Yield the parameters and the merit of each finished trial of the study `optuna:URL#NAME`.

    Raise UsageError if there is no such study, it has several objectives, or its direction is not
    `direction`; EnvironmentProblem if Optuna is missing, or cannot read the storage.
    """
    study = _opened(source.removeprefix(PREFIX))
    if len(study.directions) > 1:
        raise UsageError("that study has several objectives", "give one with a single objective")
    theirs = direction_of(study)
    if theirs is not direction:
        raise UsageError(
            f"that study {theirs.value}d its value; this run {direction.value}s its score",
            f"give --direction={theirs.value}, or another study",
        )
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    outcomes = Outcomes(direction)
    for trial in sorted(ended, key=lambda trial: (trial.datetime_complete, trial.number)):
        yield trial.params, outcomes.end(trial)


def absolute(source: str, folder: Path) -> str:
    """Return `optuna:URL#NAME` with the file of SQLite relative to `folder`."""
    url = source.removeprefix(PREFIX)
    if not url.startswith(_SQLITE):
        return source
    return f"{PREFIX}{_SQLITE}{Path(folder, url.removeprefix(_SQLITE)).absolute()}"


def split(url: str) -> tuple[str, str]:
    """Return the URL of a storage and the name of the study, "" without one."""
    storage, _, name = url.partition("#")
    if "://" not in storage:
        raise UsageError("this is not the URL of a database", f"an example: {EXAMPLE}")
    return storage, name


def shown(url: str) -> str:
    """Return a URL without its password."""
    return _PASSWORD.sub(r"\1***@", url)


def storage_problem(error: Exception) -> AutofinetuneError:
    """Return what Optuna or the database said as an error that is worded for the user."""
    if isinstance(error, AutofinetuneError):
        return error
    said = str(error.__cause__ or error).partition("\n")[0]
    tip = "check the URL, and that the driver of this database is installed"
    return EnvironmentProblem(f"Optuna cannot use the storage: {shown(said)}", tip)


def _opened(url: str) -> Any:
    """Open an existing study; nothing is created or changed."""
    OPTUNA.check("a study of Optuna")
    storage_url, name = split(url)
    file = Path(storage_url.removeprefix(_SQLITE).partition("?")[0])
    if storage_url.startswith(_SQLITE) and not file.is_file():
        raise UsageError(f"there is no file {file}", f"an example: {EXAMPLE}")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(storage_url, skip_table_creation=True)
        names = optuna.study.get_all_study_names(storage)
        if name in names or (len(names) == 1 and not name):
            return optuna.load_study(study_name=name or names[0], storage=storage)
    except Exception as error:  # of Optuna, SQLAlchemy or a driver
        raise storage_problem(error) from None
    listed = ", ".join(map(str, names[:10])) or "none"
    why = f"holds no study {name!r}" if name else "holds several studies" if names else "is empty"
    raise UsageError(f"the storage {why}", f"append #NAME; its studies are: {listed}")
