"""NNI's trial API for a training script: `import autofinetune.nni as nni`.

    params = {"lr": 0.01, "units": 64}
    params.update(nni.get_next_parameter())
    for epoch in range(10):
        nni.report_intermediate_result(train_one_epoch(params))
    nni.report_final_result(evaluate())

Names and values are those of NNI (see its trial API reference on nni.readthedocs.io): a nested
choice is {"_name": ..., child: value}, a layer {"_value": ..., "_idx": ...}. It needs only the
standard library.

Outside a run, the script works standalone: there are no parameters, the ids are `STANDALONE`, the
sequence id is 0, and reports are printed.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from typing import Any

from autofinetune.trial.report import REPORT_FILE_VARIABLE, as_score, params_text
from autofinetune.trial.report import report_final_result as _report_final
from autofinetune.trial.report import report_intermediate_result as _report_intermediate

__all__ = [
    "get_current_parameter",
    "get_experiment_id",
    "get_next_parameter",
    "get_next_parameters",
    "get_sequence_id",
    "get_trial_id",
    "merge_parameter",
    "report_final_result",
    "report_intermediate_result",
]

_STANDALONE = "STANDALONE"
_current: dict[str, Any] | None = None
_intermediate = 0  # how many intermediate results were reported


def get_next_parameter() -> dict[str, Any] | None:
    """Return the hyperparameters of this trial, with the types of the search space.

    A trial has one set of them: a second call returns None, but `get_current_parameter` still
    returns them. Outside a run they are an empty dict, with a RuntimeWarning, so that
    `params.update(get_next_parameter())` keeps the defaults.
    """
    global _current
    text = params_text()
    if text is None:
        warnings.warn(
            "this is not a trial of a run, so there are no parameters; to tune the script, run: "
            "autofinetune train.py --nni_wire --param_file=search_space.json --gpu=0",
            RuntimeWarning,
            stacklevel=2,
        )
        _current = {}
    elif _current is None:
        _current = json.loads(text)
    else:
        return None
    return _current


get_next_parameters = get_next_parameter  # NNI has both names


def get_current_parameter(tag: str | None = None) -> Any:
    """Return what `get_next_parameter` returned, or None before; with `tag`, one value of it."""
    return _current if _current is None or tag is None else _current[tag]


def report_intermediate_result(metric: float | Mapping[str, Any], step: int | None = None) -> None:
    """Report an intermediate score; calls are numbered as steps from 0.

    Args:
        metric: a number, a numpy scalar or a one-element tensor, or a dict with one of these under
            `default`, whose other values are ignored.
        step: the step, for tools whose call has one; NNI's does not.

    Raises:
        TypeError: `metric` is none of these.
        OSError: the report could not be written to disk.
    """
    global _intermediate
    step = _intermediate if step is None else step
    _intermediate += 1
    score = _score("intermediate", metric)
    if os.environ.get(REPORT_FILE_VARIABLE):
        _report_intermediate(score, step)
    else:
        print(f"Intermediate result: {metric}  (Index {step})", flush=True)


def report_final_result(metric: float | Mapping[str, Any]) -> None:
    """Report the final score of this trial; `metric` as for `report_intermediate_result`."""
    score = _score("final", metric)
    if os.environ.get(REPORT_FILE_VARIABLE):
        _report_final(score)
    else:
        print(f"Final result: {metric}", flush=True)


def get_experiment_id() -> str:
    """Return the name of the run."""
    return os.environ.get("AUTOFINETUNE_RUN") or _STANDALONE


def get_trial_id() -> str:
    """Return the number of the trial as a string; all its attempts have the same one."""
    return os.environ.get("AUTOFINETUNE_TRIAL") or _STANDALONE


def get_sequence_id() -> int:
    """Return the number of the trial, counted from 0."""
    return int(os.environ.get("AUTOFINETUNE_TRIAL") or 0)


def merge_parameter(base_params: Any, override_params: Mapping[str, Any] | None) -> Any:
    """Override options by the parameters of the same name; also available in `nni.utils`.

    Args:
        base_params: a dict, or a namespace from argparse; it is modified and returned.
        override_params: what `get_next_parameter` returned.

    Raises:
        ValueError: there is no such option, or its value has another type (an integer may replace
            a float, and anything may replace None).
    """
    options = base_params if isinstance(base_params, dict) else vars(base_params)
    for name, value in (override_params or {}).items():
        if name not in options:
            raise ValueError(f"there is no option {name!r} for the parameter of the same name")
        before = options[name]
        if isinstance(before, float) and isinstance(value, int):
            value = float(value)
        if before is not None and not isinstance(value, type(before)):
            wanted, found = type(before).__name__, type(value).__name__
            raise ValueError(f"option {name!r} has type {wanted}, but its parameter has {found}")
        options[name] = value
    return base_params


def _score(kind: str, metric: object) -> float:
    if not isinstance(metric, Mapping):
        return as_score(kind, metric)
    if "default" not in metric:
        raise TypeError(
            f"report_{kind}_result needs a number, or a dict with one under 'default'; "
            f"found the keys {sorted(map(str, metric))}"
        )
    return as_score(kind, metric["default"])
