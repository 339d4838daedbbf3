"""Weights & Biases: `wandb.config` holds the hyperparameters, and logged values are the score.

The variables and the parameter file are those with which W&B's own agent starts a run (wandb 0.31,
sdk/wandb_settings.py). Without an account, runs are offline and stored in the trial's directory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import around, complain, in_trial, quietly, wrap
from autofinetune.trial.report import REPORT_FILE_VARIABLE, STOP_FILE_VARIABLE, params_text

SOURCE = "wandb"
_SUMMARIES = ("max", "min", "mean", "last", "best")
_summary = ""  # the summary requested by `define_metric`
_kept: list[float] = []  # the values of the metric to summarize


def environment() -> dict[str, str]:
    """Return the variables that W&B reads when a run starts; those set by the user stay."""
    found = {
        "WANDB_SWEEP_PARAM_PATH": _params_file(),
        "WANDB_DIR": _directory(),
        "WANDB_SILENT": "true",
    }
    if not _has_account():
        own = os.path.join(_directory(), "wandb")
        found.update(
            WANDB_MODE="offline",
            WANDB_SWEEP_ID=os.environ["AUTOFINETUNE_RUN"],
            WANDB_CACHE_DIR=own,
            WANDB_DATA_DIR=own,
        )
    ours = "WANDB_SWEEP_PARAM_PATH"
    return {n: v for n, v in found.items() if n == ours or not os.environ.get(n)}


def _directory() -> str:
    """Return the directory of the attempt, which all its processes share."""
    return os.path.dirname(os.environ[STOP_FILE_VARIABLE])


def _has_account() -> bool:
    if os.environ.get("WANDB_MODE") or os.environ.get("WANDB_API_KEY"):
        return True
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").partition("://")[2]
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = " ".join(file.read().split())
    except OSError:
        return False
    return f"machine {host.partition('/')[0]} " in text


def _params_file() -> str:
    """Write the hyperparameters as W&B's agent does, and return the path of the file."""
    directory = _directory()
    path = os.path.join(directory, "wandb-params.yaml")
    if not os.path.exists(path):
        record = {"wandb_version": 1, **{n: {"value": v} for n, v in _params().items()}}
        partial = f"{path}.{os.getpid()}"
        with open(partial, "x", encoding="ascii") as file:
            file.write(_as_yaml(record))
        os.replace(partial, path)
    return path


# A string of JSON, or a number with an exponent but no dot, which YAML 1.1 reads as a string.
_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\d.])-?\d+e[+-]\d+')


def _as_yaml(record: dict[str, Any]) -> str:
    """Return a record as JSON that PyYAML reads with the same types."""
    return _STRING_OR_NUMBER.sub(
        lambda found: found[0] if found[0][0] == '"' else found[0].replace("e", ".0e"),
        json.dumps(record),
    )


def _params() -> dict[str, Any]:
    found = json.loads(params_text() or "{}")
    return found if isinstance(found, dict) else {}


# --- what is logged -----------------------------------------------------------------------------


def on_run(module: ModuleType) -> None:
    """Hook into `run.log`, which `wandb.log` calls, and `run.define_metric`."""
    wrap(module.Run, "log", _logged_or_left)
    wrap(module.Run, "define_metric", _defined)
    around(module.Run, "__exit__", _exit)
    for name in {"link_artifact", "link_model"}.intersection(dir(module.Run)):
        around(module.Run, name, _linked)


def _linked(original: Any, run: Any, *args: Any, **kwargs: Any) -> Any:
    """Skip what needs the server, and fails, in an offline run."""
    if getattr(run, "offline", False):
        return complain(f"run.{original.__name__} needs a server, so it is skipped offline")
    return original(run, *args, **kwargs)


def _exit(original: Any, run: Any, kind: Any, *rest: Any) -> Any:
    """Let `with wandb.init():` end well when the trial is stopped, not with a traceback."""
    is_failure = kind is not logged.Stopped
    return original(run, kind, *rest) if is_failure else original(run, None, None, None)


def on_disabled(module: ModuleType) -> None:
    """Hook into disabled runs, which have their own methods."""
    wrap(module.NoopRun, "log", _logged_or_left)
    wrap(module.NoopRun, "define_metric", _defined)


def on_init(module: ModuleType) -> None:
    """Let `WANDB_MODE=offline` override `wandb.init(mode="online")`, which needs an account."""
    around(module, "init", _init)


def _init(original: Any, *args: Any, **kwargs: Any) -> Any:
    is_offline = os.environ.get("WANDB_MODE") == "offline"
    if is_offline and kwargs.get("mode") == "online" and os.environ.get(REPORT_FILE_VARIABLE):
        kwargs["mode"] = "offline"
    return original(*args, **kwargs)


def on_summary(module: ModuleType) -> None:
    """Hook into `run.summary[name] = value` and similar calls."""
    wrap(module.SummaryDict, "update", _summarized)


def _logged_or_left(*args: Any, **kwargs: Any) -> None:
    try:
        _logged(*args, **kwargs)
    finally:
        logged.leave(SOURCE)


def _logged(run: Any, data: Any = None, *args: Any, **kwargs: Any) -> None:
    metric = logged.wanted()
    if not hasattr(data, "items"):
        return
    found = dict(_flat(data))
    base, _, summary = metric.rpartition(".")
    if metric not in found and summary in _SUMMARIES and base in found:
        _keep(found[base], summary)
    elif metric in found and _summary:
        _keep(found[metric], _summary)
    else:
        logged.values(SOURCE, found.items())


def _keep(number: Any, summary: str) -> None:
    """Report the summary of all values so far, as W&B shows it in its table of runs."""
    _kept.append(float(number))
    reduced = {"max": max(_kept), "min": min(_kept), "mean": sum(_kept) / len(_kept)}
    logged.value(SOURCE, reduced.get(summary, _kept[-1]))


def _summarized(summary: Any, values: Any, *args: Any, **kwargs: Any) -> None:
    if hasattr(values, "items"):
        logged.values(SOURCE, _flat(values))


def _defined(run: Any, name: Any = "", *args: Any, **kwargs: Any) -> None:
    """Remember which summary of the metric counts: `max`, `min`, `mean`, or the best by `goal`."""
    global _summary
    if name != logged.wanted():
        return
    asked = str(kwargs.get("summary") or "").split(",")[0]
    goal = {"maximize": "max", "minimize": "min"}.get(str(kwargs.get("goal")), "min")
    _summary = goal if asked == "best" else asked if asked in ("max", "min", "mean") else ""


def _flat(data: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield nested values, with names joined by dots and, if the metric has them, slashes."""
    for key, item in list(data.items()):
        name = f"{prefix}{key}"
        if isinstance(item, dict) and depth < 8:
            yield from _flat(item, f"{name}.", depth + 1)
            if logged.wanted().startswith(f"{name}/"):
                yield from _flat(item, f"{name}/", depth + 1)
        else:
            yield name, item


# --- sweeps that a script starts itself ---------------------------------------------------------


def on_package(module: ModuleType) -> None:
    """In a trial, make `wandb.agent` call its function once, and `wandb.sweep` use no server."""
    for function in (_agent, _sweep, _controller):
        in_trial(module, function.__name__.lstrip("_"), function)


def _sweep(sweep: Any = None, *args: Any, **kwargs: Any) -> str:
    return os.environ.get("WANDB_SWEEP_ID") or os.environ["AUTOFINETUNE_RUN"]


def _agent(
    sweep_id: Any = None, function: Callable[[], Any] | None = None, *args: Any, **kwargs: Any
) -> None:
    if function is None:
        raise SystemExit(
            "autofinetune: wandb.agent without a function starts the program of a sweep, which is "
            "impossible in a trial; tune that program: autofinetune run sweep.yaml"
        )
    function()
    import wandb

    if wandb.run is not None:
        quietly(wandb.finish)


def _controller(*args: Any, **kwargs: Any) -> None:
    raise SystemExit(
        "autofinetune: wandb.controller runs a sweep, which autofinetune already does; "
        "remove the call, or skip it in trials"
    )
