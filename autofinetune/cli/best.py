"""`autofinetune best`: show the best trial of a run, its command, or copy its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune import terminal
from autofinetune.cli.shown import (
    add_run,
    duration,
    number,
    path,
    reader,
    short,
    show,
)
from autofinetune.errors import UsageError
from autofinetune.run.models import copy_best
from autofinetune.run.recorded import Recorded, recorded_run
from autofinetune.run.records import best_record

_TEXT = """Show the best trial of a run: its score and hyperparameters, where its model is, and
the command that trains it again."""


def best_command(argv: Sequence[str]) -> int:
    """Print the best trial, its command, or copy its model; return the exit code."""
    parser = reader("best", _TEXT)
    add_run(parser)
    parser.add_argument(
        "--command", action="store_true",
        help="print only the shell command that trains it again, as it was run",
    )  # fmt: skip
    parser.add_argument("--copy", metavar="DIR", help="copy its model to a new directory")
    options = parser.parse_args(argv)
    if options.command and (options.json or options.copy):
        raise UsageError(
            "--command prints nothing but the command, so it cannot be used with "
            f"{'--json' if options.json else '--copy'}",
            "use one of them; the command is also in the JSON",
        )
    with recorded_run(options.run) as run:
        best = run.best
        record = best_record(run, best, run.curve_of(best))
        if options.copy:
            target = Path(options.copy).absolute()
            copy_best(run, target)
            record["copied_to"] = str(target)
        if options.command:
            print(record["command"], flush=True)
            _note(run, record)
        else:
            show(record, list(_lines(run, record)), is_json=options.json)
    return 0


def _note(run: Recorded, record: Mapping[str, Any]) -> None:
    """Say on standard error what the command does not say."""
    if record["is_masked"]:
        terminal.err("note: secrets are shown as ***; put them back before running it")
    if len(record["schedule"]) > 1:
        is_gone = record["parent_model_state"] == "removed"
        gone = ", which was removed, so it will fail" if is_gone else ""
        terminal.err(
            f"note: it continues the model of trial {record['parent']}{gone}; to train all "
            f"{len(record['schedule'])} trials that led to it: {_replay(run, record)}"
        )


def _replay(run: Recorded, record: Mapping[str, Any]) -> str:
    return f"autofinetune replay {run.paths.shown} {record['trial']}"


def _lines(run: Recorded, record: Mapping[str, Any]) -> Iterator[str]:
    yield f"score   {record['score']!r}"
    if len(record["repeats"]) > 1:
        yield f"mean    {number(record['mean_score'])} of {len(record['repeats'])} repeats"
    place = f"round {record['round']}, member {record['member']}"
    yield f"trial   {record['trial']} ({place}), {duration(record['seconds'])}"
    yield f"model   {_model(record)}"
    if "copied_to" in record:
        yield f"copied  {path(record['copied_to'])}"
    yield "hyperparameters"
    yield from (f"  {name}={short(value)}" for name, value in record["params"].items())
    yield "train it again"
    yield f"  {record['command']}"
    if record["is_masked"]:
        yield "  (secrets are shown as ***)"
    if record["parent_model_state"] == "removed":
        yield f"  (the model of trial {record['parent']}, which it continues, was removed)"
    yield f"in a new run, and compare: autofinetune rerun {run.paths.shown} {record['trial']}"
    if (trials := len(record["schedule"])) > 1:
        yield f"with the {trials} trials that led to it: {_replay(run, record)}"


def _model(record: Mapping[str, Any]) -> str:
    if record["best_model"] is not None:
        return path(record["best_model"])
    if record["model_state"] == "saved":
        return f"{path(record['model'])} (best_model is not complete yet)"
    return "none: the trial saved no model" if record["model_state"] == "none" else "removed"
