"""The environment of a trial, and the files that it names."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.executors.base import Attempt
from autofinetune.runner.files import REPORTS, STOP
from autofinetune.store.directory import write_atomically
from autofinetune.store.paths import PARAMS
from autofinetune.trial.report import (
    PARAMS_VARIABLE,
    RANKS,
    REPORT_FILE_VARIABLE,
    STOP_FILE_VARIABLE,
)
from autofinetune.version import PACKAGE_PARENT

BOOT = str(Path(PACKAGE_PARENT, "autofinetune", "preload", "boot"))


def with_layer(python_path: str | None) -> str:
    """Return a PYTHONPATH that makes Python load the layer around train.py before the script."""
    folders = [folder for folder in (python_path or "").split(os.pathsep) if folder != BOOT]
    return os.pathsep.join([BOOT, *folders]) if python_path else BOOT


def layered(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the layer in their PYTHONPATH, if they have one."""
    path = env.get("PYTHONPATH")
    return {**env} if path is None else {**env, "PYTHONPATH": with_layer(path)}


def trial_environment() -> dict[str, str]:
    """Return the environment that all trials share.

    Output is unbuffered, so that the last lines before a crash are kept. A rank that a launcher
    gave to the tuner is reset to 0: with any other rank, a trial would not report.
    """
    ranks = {name: "0" for name in RANKS if name in os.environ}
    layer = {"PYTHONPATH": with_layer(os.environ.get("PYTHONPATH"))}
    return {"PYTHONUNBUFFERED": "1", **os.environ, **ranks, **layer}


def spec_of(attempt: Attempt, **more: Any) -> dict[str, Any]:
    """Return what a runner is told about an attempt, with `more` that its engine decides."""
    return {
        "argv": list(attempt.argv),
        "cwd": attempt.working_dir,
        "log": attempt.log,
        "grace_s": attempt.grace_s,
        "time_limit_s": attempt.time_limit_s,
        "framework": attempt.framework,
        "metric_pattern": attempt.metric_pattern,
        "has_marks": attempt.has_marks,
        "processes": [
            {**vars(process), "env": layered(process.env)} for process in attempt.processes
        ],
        **more,
    }


def hand_over(attempt: Attempt, directory: Path) -> dict[str, str]:
    """Write the attempt's files into `directory`, as we have it open; or raise OSError.

    Return the attempt's own environment, which names them.
    """
    env = {
        **layered(attempt.env),
        REPORT_FILE_VARIABLE: str(Path(attempt.directory, REPORTS)),
        STOP_FILE_VARIABLE: str(Path(attempt.directory, STOP)),
    }
    for name, text in attempt.files.items():
        write_atomically(directory / name, text.encode())
    if attempt.nni_wire:
        params = env.get(PARAMS_VARIABLE) or attempt.files.get(PARAMS, "{}")
        _lay_wire(directory, attempt.trial, json.loads(params))
        env |= _nni_environment(attempt)
    return env


def _lay_wire(directory: Path, trial: int, params: object) -> None:
    """Create the files of NNI's local platform: its trial side reads one, appends to the other.

    The latter is a link to our own file of reports; `reports.py` understands NNI's lines.
    """
    record = {"parameter_id": trial, "parameter_source": "algorithm", "parameters": params}
    write_atomically(directory / "parameter.cfg", json.dumps(record).encode())
    (directory / ".nni").mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):  # from a start that failed for lack of resources
        (directory / ".nni" / "metrics").symlink_to(Path("..", REPORTS))


def _nni_environment(attempt: Attempt) -> dict[str, str]:
    """Return what NNI's trial side reads (nni 3.0: runtime/env_vars.py, trial_command_channel/).

    REUSE_MODE is set, but not to `true`: results then go to the file, as without it, while the
    output of the script still goes to its standard output.
    """
    return {
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": attempt.run,
        "NNI_TRIAL_JOB_ID": str(attempt.trial),
        "NNI_TRIAL_SEQ_ID": str(attempt.trial),
        "NNI_SYS_DIR": attempt.directory,
        "NNI_OUTPUT_DIR": attempt.env.get("AUTOFINETUNE_SAVED_PARAMS_DIR", attempt.directory),
        "NNI_CODE_DIR": attempt.working_dir,
        "NNI_TRIAL_COMMAND_CHANNEL": "",
        "MULTI_PHASE": "false",
        "REUSE_MODE": "false",
    }
