"""`autofinetune show` and `logs`: everything about one trial, and what it printed."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autofinetune.cli.shown import (
    add_run_and_trial,
    clock,
    columns,
    duration,
    number,
    path,
    reader,
    short,
    show,
    sparkline,
)
from autofinetune.errors import UsageError
from autofinetune.run.recorded import Recorded, recorded_run
from autofinetune.run.records import trial_record
from autofinetune.run.trial_log import TrialWatch, follow, log_of, no_log

_POLL_S = 0.25  # between looks for new lines


def show_command(argv: Sequence[str]) -> int:
    """Print everything about one trial and return the exit code."""
    parser = reader("show", "Show everything about one trial of a run.")
    add_run_and_trial(parser)
    options = parser.parse_args(argv)
    with recorded_run(options.run) as run:
        trial = run.chosen(options.trial)
        record = trial_record(run, trial, run.curve_of(trial))
        show(record, list(_lines(run, record)), is_json=options.json)
    return 0


def _lines(run: Recorded, record: Mapping[str, Any]) -> Iterator[str]:
    place = f"round {record['round']}, member {record['member']}"
    yield f"trial {record['trial']} of {run.paths.shown} ({place})"
    yield f"status   {record['status']}{_reason(record['reason'])}"
    yield f"score    {_score(record, len(run.ranks))}"
    if len(record["repeats"]) > 1:
        others = ", ".join(map(str, record["repeats"]))
        yield f"repeats  trials {others}: mean {number(record['mean_score'])}"
    slot = f" on slot {record['slot']}" if record["slot"] else ""
    yield f"started  {clock(record['started_at'])}{slot}, took {duration(record['seconds'])}"
    yield f"model    {_model(record)}"
    yield f"log      {path(record['log'])}"
    if record["parent"] is not None:
        is_gone = record["parent_model_state"] == "removed"
        gone = " (removed since)" if is_gone else ""
        yield f"parent   trial {record['parent']}, whose model it continued{gone}"
    yield "hyperparameters"
    yield from _params(record)
    yield from _curve(record["curve"])
    if len(record["attempts"]) > 1 or record["reason"]:
        yield "attempts"
        yield from columns([_attempt(one) for one in record["attempts"]])
    if record["notes"]:
        yield "notes"
        yield from (f"  {short(note)}" for note in record["notes"])


def _reason(reason: str) -> str:
    return f": {reason}" if reason else ""


def _score(record: Mapping[str, Any], ranked: int) -> str:
    if record["score"] is None:
        return "none"
    text = repr(record["score"])
    if record["rank"] is not None:
        text += f", rank {record['rank']} of {ranked}"
    if record["estimate"] is not None:
        text += f", stopped early; estimated final score {number(record['estimate'])}"
    return text


def _model(record: Mapping[str, Any]) -> str:
    state = record["model_state"]
    if state is None:
        return f"{path(record['model'])} (not finished)"
    return path(record["model"]) if state == "saved" else state


def _params(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each hyperparameter; those that changed show the value of the parent."""
    changed = record["changed"]
    for name in (*record["params"], *(name for name in changed if name not in record["params"])):
        value = short(record["params"][name]) if name in record["params"] else "(inactive)"
        line = f"  {name}={value}"
        if name in changed:
            before = changed[name]
            line += f"  (was {short(before['from']) if 'from' in before else 'inactive'})"
        yield line


def _curve(curve: Sequence[Sequence[float]]) -> Iterator[str]:
    if not curve:
        return
    (first, start), (last, end) = curve[0], curve[-1]
    if len(curve) == 1:
        yield f"curve    1 report, {number(start)} at step {first}"
        return
    yield f"curve    {sparkline([value for _, value in curve])}"
    ends = f"{number(start)} at step {first} to {number(end)} at step {last}"
    yield f"         {len(curve)} reports, {ends}"


def _attempt(one: Mapping[str, Any]) -> tuple[str, ...]:
    begun, ended = one["started_at"], one["ended_at"]
    took = None if begun is None or ended is None else max(0.0, ended - begun)
    slot = f"slot {one['slot']}"
    return (f"  {one['attempt']}", slot, clock(begun), duration(took),
            f"{one['outcome']}{_reason(one['reason'])}")  # fmt: skip


# --- logs ---------------------------------------------------------------------------------------


def logs_command(argv: Sequence[str]) -> int:
    """Print the log of one trial and return the exit code."""
    parser = reader(
        "logs", "Print what a trial printed, without colors, and of progress bars the last state."
    )
    add_run_and_trial(parser)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="print new lines until the trial ends"
    )
    parser.add_argument(
        "--attempt", metavar="N", help="only this attempt, from 1 (default: all attempts)"
    )
    parser.add_argument("-n", "--lines", metavar="N", help="only the last N lines")
    options = parser.parse_args(argv)
    if options.follow and options.json:
        raise UsageError(
            "--json prints one object, so it cannot be used with --follow", "leave out one of them"
        )
    attempt, most = _whole("--attempt", options.attempt), _whole("--lines", options.lines)
    with recorded_run(options.run) as run:
        trial = run.chosen(options.trial)
        with contextlib.closing(log_of(run, trial, attempt)) as log:
            if options.follow and log.may_grow:
                _print(_end(log.lines(), most))
                _print(follow(log, TrialWatch(run, trial).is_over, _wait))
            if not log.is_there:
                raise no_log(run, trial)
            lines = _end(itertools.chain(log.lines(), log.last()), most)
            if options.json:
                show(_record(run, trial.id, attempt, list(lines)), (), is_json=True)
            else:
                _print(lines)
    return 0


def _wait() -> None:
    sys.stdout.flush()
    time.sleep(_POLL_S)


def _end(lines: Iterable[str], most: int | None) -> Iterable[str]:
    return lines if most is None else deque(lines, maxlen=most)


def _whole(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise UsageError(f"{option}={text[:60]} must be a whole number", f"such as {option}=1")
    return int(text)


def _record(run: Recorded, trial: int, attempt: int | None, lines: list[str]) -> dict[str, Any]:
    found = run.state.trials[trial]
    return {
        "trial": trial,
        "status": found.status.value,
        "attempt": attempt,
        "attempts": found.attempt,
        "log": str(run.paths.trial_log(found.round, found.member)),
        "lines": lines,
    }


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
