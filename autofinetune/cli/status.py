"""`autofinetune status`: show the state of a run, even while it is running."""

from __future__ import annotations

import time
from collections.abc import Sequence

from autofinetune.cli.options import Parser
from autofinetune.config.config import MOST_TRIALS
from autofinetune.errors import UsageError
from autofinetune.run.directories import existing_run
from autofinetune.run.overview import Overview, RunningTrial, overview_after_change
from autofinetune.run.records import as_json, status_record
from autofinetune.space import as_text
from autofinetune.store.standing import Standing, read_standing
from autofinetune.visible import visible

_MOST_WAIT_S = 1e6


def status_command(argv: Sequence[str]) -> int:
    """Print the state of a run and return the exit code."""
    parser = Parser("status", description=__doc__)
    parser.add_argument("output_dir", help="the directory of the run")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.add_argument(
        "--wait", metavar="SECONDS",
        help="wait until a trial or the run ends, at most this long",
    )  # fmt: skip
    options = parser.parse_args(argv)
    seconds = _seconds(options.wait)
    with existing_run(options.output_dir) as paths:
        found = overview_after_change(paths, seconds)
        stored = read_standing(paths)
    text = as_json(status_record(found, stored)) if options.json else _as_text(found, stored)
    print(text, flush=True)
    return 0


def _seconds(word: str | None) -> float:
    try:
        seconds = float(word or 0.0)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= _MOST_WAIT_S:
        raise UsageError(
            f"--wait={word!r:.60} is not a number of seconds from 0 to {_MOST_WAIT_S:g}",
            "for example --wait=60",
        )
    return seconds


def _as_text(found: Overview, stored: Standing | None) -> str:
    now = time.time()
    counts = ", ".join(f"{n} {status}" for status, n in found.counts.items() if n)
    total = sum(found.counts.values())
    budget = "" if found.max_trials == MOST_TRIALS else f" of {found.max_trials}"
    lines = [
        *([f"run {found.name}"] if found.name else []),
        found.state.value + (f": {found.reason}" if found.reason else ""),
        f"{total}{budget} trials created" + (f": {counts}" if counts else ""),
    ]
    if found.saved:
        lines.append(f"early stopping: {found.saved}")
    if found.best is not None:
        values = ", ".join(
            f"{name}={visible(as_text(value))}" for name, value in found.best.params.items()
        )
        lines.append(f"best: {found.best.score!r} by trial {found.best.trial}: {values}")
    else:
        lines.append("best: none, no trial has completed")
    if found.changed:
        changes = ", ".join(f"{name}={as_text(value)}" for name, value in found.changed.items())
        lines.append(f"changed since the start: {visible(changes)}")
    if stored is not None:
        lines.append(f"store {visible(stored.sentence())}")
    lines += [f"slot {one.slot}: {_at_work(one, now)}" for one in found.running]
    lines += [
        f"slot {slot} gets no more trials: {reason}" for slot, reason in found.quarantined.items()
    ]
    return "\n".join(lines)


def _at_work(one: RunningTrial, now: float) -> str:
    how = "in the queue for" if one.is_waiting else "for"
    text = f"trial {one.trial}, attempt {one.attempt}, {how} {max(0.0, now - one.since):.0f} s"
    if one.score is not None:
        text += f", {one.score:.6g} at step {one.step}"
    return text + (f", asked to stop ({one.stop_reason})" if one.stop_reason else "")
