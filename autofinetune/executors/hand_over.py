"""What a trial finds in its environment, and in the files that this names."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from autofinetune.report import (
    PARAMS_FILE_VARIABLE,
    PARAMS_VARIABLE,
    REPORT_FILE_VARIABLE,
    STOP_FILE_VARIABLE,
)
from autofinetune.runner.files import REPORTS, STOP, write_atomically

from .base import Attempt

MOST_IN_A_VARIABLE = 64 * 1024  # bytes; Linux takes 128 KiB for name and value
PARAMS = "params.json"


def hand_over(attempt: Attempt, directory: Path) -> dict[str, str]:
    """The attempt's own environment; the files that it names are written into `directory`.

    Parameters that are too long for a variable stand in a file, which another variable names.

    Raises:
        OSError: the disk is full, or refuses.
    """
    env = {
        **attempt.env,
        REPORT_FILE_VARIABLE: str(directory / REPORTS),
        STOP_FILE_VARIABLE: str(directory / STOP),
    }
    params = env.get(PARAMS_VARIABLE, "{}")
    if len(params) > MOST_IN_A_VARIABLE:
        del env[PARAMS_VARIABLE]
        env[PARAMS_FILE_VARIABLE] = str(directory / PARAMS)
        write_atomically(env[PARAMS_FILE_VARIABLE], json.loads(params), durable=False)
    if attempt.nni_wire:
        _lay_wire(directory, attempt.trial, json.loads(params))
        env |= _nni_environment(attempt, directory)
    return env


def _lay_wire(directory: Path, trial: int, params: object) -> None:
    """The files of NNI's local platform: its trial side reads one and appends to the other.

    That one is our own file of reports, by a link, so that one reader and one set of rules serve
    both (`reports.py` knows NNI's lines).
    """
    record = {"parameter_id": trial, "parameter_source": "algorithm", "parameters": params}
    write_atomically(str(directory / "parameter.cfg"), record, durable=False)
    (directory / ".nni").mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):  # of a start that the machine had no room for
        (directory / ".nni" / "metrics").symlink_to(Path("..", REPORTS))


def _nni_environment(attempt: Attempt, directory: Path) -> dict[str, str]:
    """What NNI's trial side looks at (nni 3.0, runtime/env_vars.py and trial_command_channel/).

    REUSE_MODE is a word that is not `true`: results then go to the file, as without it, while
    what the script prints still goes to its standard output.
    """
    return {
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": attempt.run,
        "NNI_TRIAL_JOB_ID": str(attempt.trial),
        "NNI_TRIAL_SEQ_ID": str(attempt.trial),
        "NNI_SYS_DIR": str(directory),
        "NNI_OUTPUT_DIR": attempt.env.get("AUTOFINETUNE_SAVED_PARAMS_DIR", str(directory)),
        "NNI_CODE_DIR": attempt.working_dir,
        "NNI_TRIAL_COMMAND_CHANNEL": "",
        "MULTI_PHASE": "false",
        "REUSE_MODE": "false",
    }
