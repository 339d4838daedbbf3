"""The table of commands: dispatch, help and shell completion read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

START = "start and continue a run"
LOOK = "look at a run"
STEER = "steer a run"
OTHER = "other"
GROUPS = (START, LOOK, STEER, OTHER)


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
    "init": Command(
        "init:init_command",
        START,
        "init train.py",
        "draft hparam.yaml from the options of a script",
        is_basic=True,
    ),
    "doctor": Command(
        "doctor:doctor_command",
        START,
        "doctor [train.py]",
        "check the machine, a script and its hparam.yaml, and say what to fix",
    ),
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
    "pull": Command(
        "pull:pull_command",
        START,
        "pull URL result/",
        "bring a run back from the store that --store named",
    ),
    "replay": Command(
        "lineage:replay_command",
        START,
        "replay result/",
        "train the schedule of the best model from scratch",
    ),
    "rerun": Command(
        "rerun:rerun_command",
        START,
        "rerun result/ 37",
        "train the configuration of a trial again and compare the scores",
    ),
    "status": Command(
        "status:status_command",
        LOOK,
        "status result/",
        "show the state of a run, even while it is running",
        is_basic=True,
    ),
    "best": Command(
        "best:best_command",
        LOOK,
        "best result/",
        "show the best trial, its command, or copy its model",
        is_basic=True,
    ),
    "top": Command(
        "top:top_command",
        LOOK,
        "top result/",
        "watch a run that is running elsewhere: in another terminal, or in the background",
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
    "show": Command(
        "show:show_command",
        LOOK,
        "show result/ 37",
        "show everything about a trial",
    ),
    "logs": Command(
        "show:logs_command",
        LOOK,
        "logs result/ 37 -f",
        "print what a trial printed, or follow it",
    ),
    "ls": Command(
        "runs:ls_command",
        LOOK,
        "ls runs/",
        "list all runs below a directory",
    ),
    "compare": Command(
        "runs:compare_command",
        LOOK,
        "compare one/ two/",
        "show runs side by side",
    ),
    "export": Command(
        "export:export_command",
        LOOK,
        "export result/",
        "write all trials as CSV, JSON or Parquet",
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
    "prune": Command(
        "prune:prune_command",
        OTHER,
        "prune result/",
        "free disk space: remove the models of trials that lost",
    ),
    "stop": Command(
        "steer:stop_command",
        STEER,
        "stop result/",
        "let running trials finish, then end; --now: end them",
        is_basic=True,
    ),
    "pause": Command(
        "steer:pause_command",
        STEER,
        "pause result/",
        "start no further trials until `resume result/`",
    ),
    "set": Command(
        "steer:set_command",
        STEER,
        "set result/ gpu=0,1 ...",
        "change options of a run, also while it is running",
    ),
    "enqueue": Command(
        "add:enqueue_command",
        STEER,
        "enqueue result/ lr=0.1 ...",
        "try a configuration next",
    ),
    "import": Command(
        "add:import_command",
        STEER,
        "import trials.csv result/",
        "let the search learn from trials of elsewhere",
    ),
    "ask": Command(
        "ask:ask_command",
        STEER,
        "ask result/",
        "hand out the next trial to a loop of your own; --param_file starts such a run",
    ),
    "tell": Command(
        "ask:tell_command",
        STEER,
        "tell result/ 7 0.93",
        "tell the score of a trial that was handed out",
    ),
    "note": Command(
        "add:note_command",
        STEER,
        "note result/ 7 TEXT",
        "add a note to a trial",
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
    "recipe": Command(
        "recipe:recipe_command",
        OTHER,
        "recipe refine FILE",
        "set the thresholds of a data recipe (Data-Juicer) by the statistics of its data; "
        "`recipe search`: search for its arguments",
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
    "mcp": Command(
        "mcp:mcp_command",
        OTHER,
        "mcp --root DIR",
        "serve these commands as tools for an agent (Model Context Protocol)",
    ),
    "completion": Command(
        "completion:completion_command",
        OTHER,
        "completion bash",
        "print shell completion for bash, zsh or fish",
    ),
    "help": Command("help:help_command", OTHER, "help", "list all commands"),
}
