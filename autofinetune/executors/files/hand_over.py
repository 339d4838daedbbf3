"""What a trial finds in its environment, and in the files that this names."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from autofinetune.executors.base import Attempt
from autofinetune.runner.files import REPORTS, STOP
from autofinetune.store.directory import write_atomically
from autofinetune.store.paths import PARAMS
from autofinetune.trial.report import PARAMS_VARIABLE, REPORT_FILE_VARIABLE, STOP_FILE_VARIABLE
from autofinetune.version import PACKAGE_PARENT

BOOT = str(Path(PACKAGE_PARENT, "autofinetune", "preload", "boot"))


def with_layer(python_path: str | None) -> str:
    """Return a PYTHONPATH by which Python loads the layer around train.py before the script."""
    folders = [folder for folder in (python_path or "").split(os.pathsep) if folder != BOOT]
    return os.pathsep.join([BOOT, *folders]) if python_path else BOOT


def hand_over(attempt: Attempt, directory: Path) -> dict[str, str]:
    """The attempt's own environment; the files that it names are written into it.

    Args:
        directory: that of the attempt, as we have it open.

    Raises:
        OSError: the disk is full, or refuses.
    """
    env = {
        **attempt.env,
        REPORT_FILE_VARIABLE: str(Path(attempt.directory, REPORTS)),
        STOP_FILE_VARIABLE: str(Path(attempt.directory, STOP)),
    }
    if "PYTHONPATH" in env:
        env["PYTHONPATH"] = with_layer(env["PYTHONPATH"])
    for name, text in attempt.files.items():
        write_atomically(directory / name, text.encode())
    if attempt.nni_wire:
        params = env.get(PARAMS_VARIABLE) or attempt.files.get(PARAMS, "{}")
        _lay_wire(directory, attempt.trial, json.loads(params))
        env |= _nni_environment(attempt)
    return env


def _lay_wire(directory: Path, trial: int, params: object) -> None:
    """The files of NNI's local platform: its trial side reads one and appends to the other.

    That one is our own file of reports, by a link, so that one reader and one set of rules serve
    both (`reports.py` knows NNI's lines).
    """
    record = {"parameter_id": trial, "parameter_source": "algorithm", "parameters": params}
    write_atomically(directory / "parameter.cfg", json.dumps(record).encode())
    (directory / ".nni").mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):  # of a start that the machine had no room for
        (directory / ".nni" / "metrics").symlink_to(Path("..", REPORTS))


def _nni_environment(attempt: Attempt) -> dict[str, str]:
    """What NNI's trial side looks at (nni 3.0, runtime/env_vars.py and trial_command_channel/).

    REUSE_MODE is a word that is not `true`: results then go to the file, as without it, while
    what the script prints still goes to its standard output.
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
