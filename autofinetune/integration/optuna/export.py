"""A run as a study of Optuna, for optuna-dashboard and optuna.visualization."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from autofinetune.core.status import Status
from autofinetune.errors import UsageError
from autofinetune.run.optuna_study import OPTUNA, shown, split, storage_problem
from autofinetune.run.recorded import Recorded
from autofinetune.run.records import trial_records
from autofinetune.space import ChoiceParameter, Parameter, Space, as_text
from autofinetune.space.parameters import FloatParameter, IntParameter, SteppedFloatParameter

_STATES = {Status.COMPLETED: "COMPLETE", Status.STOPPED: "PRUNED", Status.FAILED: "FAIL"}
# The fields of a trial's record that become user attributes, where they have a value.
_ATTRIBUTES = (
    "trial",
    "round",
    "member",
    "parent",
    "reason",
    "estimate",
    "slot",
    "seconds",
    "log",
)


def export_study(run: Recorded, url: str) -> tuple[str, int]:
    """Write the ended trials of a run as a new study; return its name and their number.

    Args:
        url: `URL#NAME` of the database, which is created if it is a file of SQLite that does not
            exist. Without a name, the study gets that of the run.

    Raises:
        UsageError: there is a study of that name, or no URL.
        EnvironmentProblem: Optuna is missing, or cannot write to the storage.
    """
    OPTUNA.check("--optuna")
    storage_url, name = split(url)
    name = name or run.config.name or run.paths.root.name
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(storage_url)
        study = optuna.create_study(
            storage=storage, study_name=name, direction=run.config.direction.value
        )
    except optuna.exceptions.DuplicatedStudyError:
        why = f"there is a study {name!r} in {shown(storage_url)} already"
        raise UsageError(why, "append another name to the URL: #NAME") from None
    except Exception as error:  # of Optuna, SQLAlchemy or a driver
        raise storage_problem(error) from None
    records = [one for one in trial_records(run) if Status(one["status"]) in _STATES]
    try:
        distributions = {p.name: _distribution(p, records) for p in run.config.space}
        study.add_trials([_trial(one, run.config.space, distributions) for one in records])
        study.set_user_attr("output_dir", str(run.paths.root))
        study.set_user_attr("strategy", run.config.tuning_strategy)
    except BaseException as error:
        optuna.delete_study(study_name=name, storage=storage)  # nothing, rather than a part
        if isinstance(error, optuna.exceptions.OptunaError):
            raise storage_problem(error) from None
        raise
    return name, len(records)


def _trial(record: Mapping[str, Any], space: Space, distributions: Mapping[str, Any]) -> Any:
    import optuna

    state = optuna.trial.TrialState[_STATES[Status(record["status"])]]
    curve = {max(step, 0): score for step, score in record["curve"]}
    value = record["score"] if state.name == "COMPLETE" else None
    if state.name == "PRUNED":
        value = list(curve.values())[-1] if curve else record["score"]
    present = [parameter for parameter in space if parameter.name in record["params"]]
    trial = optuna.create_trial(
        state=state,
        value=value,
        params={p.name: _value(p, record["params"][p.name]) for p in present},
        distributions={p.name: distributions[p.name] for p in present},
        intermediate_values=curve,
        user_attrs={key: record[key] for key in _ATTRIBUTES if record[key] not in (None, "")},
    )
    started = record["started_at"] or record["created_at"]
    trial.datetime_start = datetime.datetime.fromtimestamp(started)
    trial.datetime_complete = datetime.datetime.fromtimestamp(record["ended_at"] or started)
    return trial


def _distribution(parameter: Parameter, records: Sequence[Mapping[str, Any]]) -> Any:
    """Return the distribution of a parameter; one that is not uniform becomes its range."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(parameter, ChoiceParameter):
        return CategoricalDistribution([_value(parameter, one) for one in parameter.choices])
    if isinstance(parameter, IntParameter):
        log, step = parameter.log, parameter.step
        return IntDistribution(parameter.low, parameter.at(parameter.size - 1), log, step)
    if isinstance(parameter, SteppedFloatParameter):
        high = parameter.at(parameter.size - 1)
        return FloatDistribution(parameter.low, high, step=parameter.step)
    if isinstance(parameter, FloatParameter):
        return FloatDistribution(parameter.low, parameter.high, parameter.log)
    given = [one["params"][parameter.name] for one in records if parameter.name in one["params"]]
    values: list[Any] = [parameter.decode(0.0), parameter.decode(1.0), *given]
    if parameter.type_name == "int":
        return IntDistribution(min(values), max(values))
    log = bool(parameter.describe().get("log")) and min(values) > 0
    return FloatDistribution(min(values), max(values), log)


def _value(parameter: Parameter, value: Any) -> Any:
    """Return a value as Optuna has it; choices that Python takes for equal become text."""
    if isinstance(parameter, ChoiceParameter) and len(set(parameter.choices)) < parameter.size:
        return as_text(value)
    return value
