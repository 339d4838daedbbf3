"""The table of commands: dispatch, help and shell completion read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

START = "start and continue a run"
LOOK = "look at a run"
OTHER = "other"
GROUPS = (START, LOOK, OTHER)


class Command(NamedTuple):
    """A command of the command line.

    `place` is its function in `autofinetune.cli`, imported on use: `--help` and `report-final`
    must not load what only a run needs. `usage` and `text` are its row in the help; a command
    without a text is in no help. The short help has only the rows of basic commands.
    """

    place: str
    group: str = OTHER
    usage: str = ""
    text: str = ""
    is_basic: bool = False


COMMANDS: Mapping[str, Command] = {
    "run": Command(
        "run:run_command",
        START,
        "run train.py ...",
        "the same as without `run`; also a manifest of TensorStack, NNI, W&B or Katib, "
        "or the config.yaml of a run to repeat",
    ),
    "resume": Command(
        "run:resume_command",
        START,
        "resume result/",
        "continue a run after Ctrl-C, a kill or a reboot",
        is_basic=True,
    ),
    "replay": Command(
        "lineage:replay_command",
        START,
        "replay result/",
        "train the schedule of the best model from scratch",
    ),
    "status": Command(
        "status:status_command",
        LOOK,
        "status result/",
        "show the state of a run, even while it is running",
        is_basic=True,
    ),
    "dashboard": Command(
        "dashboard:dashboard_command",
        LOOK,
        "dashboard result/",
        "show it in the browser",
        is_basic=True,
    ),
    "report": Command(
        "page:report_command",
        LOOK,
        "report result/ ...",
        "write one HTML page of plots, tables and failures",
        is_basic=True,
    ),
    "lineage": Command(
        "lineage:lineage_command",
        LOOK,
        "lineage result/",
        "show the hyperparameters that led to the best model",
    ),
    "rebuild": Command(
        "run:rebuild_command",
        LOOK,
        "rebuild result/",
        "rewrite all tables and pages from the journal",
    ),
    "strategies": Command(
        "strategies:strategies_command",
        OTHER,
        "strategies",
        "list the search algorithms and their options",
    ),
    "assessors": Command(
        "strategies:assessors_command",
        OTHER,
        "assessors",
        "list the assessors, which stop hopeless trials early",
    ),
    "convert": Command(
        "convert:convert_command",
        OTHER,
        "convert sweep.yaml",
        "convert a search space or manifest of another tool",
    ),
    "report-final": Command(
        "report:report_final_command",
        OTHER,
        "report-final 0.93",
        "report a score from a script in any language",
    ),
    "report-intermediate": Command(
        "report:report_intermediate_command",
        OTHER,
        "report-intermediate 0.81 3",
        "report a score at a step",
    ),
    "completion": Command(
        "completion:completion_command",
        OTHER,
        "completion bash",
        "print shell completion for bash, zsh or fish",
    ),
    "help": Command("help:help_command", OTHER, "help", "list all commands"),
}
