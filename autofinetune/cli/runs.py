"""`autofinetune ls` and `compare`: list runs, and show several side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune import terminal
from autofinetune.cli.shown import columns, cut, duration, number, path, reader, short, show
from autofinetune.errors import UsageError
from autofinetune.run.find_runs import find_runs, record_at
from autofinetune.run.overview import look
from autofinetune.run.recorded import recorded_run
from autofinetune.run.records import compared_record
from autofinetune.visible import visible

_DEPTH = 3
_WIDEST = 28  # characters of a column of `compare`


def ls_command(argv: Sequence[str]) -> int:
    """Print a row for each run below a directory and return the exit code."""
    parser = reader(
        "ls",
        "List all runs below a directory: state, trials done of those planned, best score, and "
        "time since the last event. Links and hidden directories are not followed.",
    )
    parser.add_argument("directory", nargs="?", default=".", metavar="DIR",
                        help="where to look (default: the current directory)")  # fmt: skip
    parser.add_argument(
        "--depth", default=str(_DEPTH), metavar="N",
        help="levels of directories to look into (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(argv)
    depth = options.depth
    if not (depth.isascii() and depth.isdecimal() and len(depth) < 3):
        raise UsageError(f"--depth={depth[:60]} must be a whole number from 0 to 99", None)
    root = Path(options.directory)
    if not root.is_dir():
        raise UsageError(f"there is no directory {options.directory}", "name a directory")
    records = [record_at(folder) for folder in find_runs(root, int(depth))]
    records.sort(key=lambda record: -(record["last_event_at"] or 0.0))
    show(records, _listed(records, options.directory, time.time()), is_json=options.json)
    return 0


def _listed(records: Sequence[Mapping[str, Any]], where: str, now: float) -> list[str]:
    if not records:
        return [f"no run in {visible(where)} or in directories below it"]
    rows = [("state", "trials", "best", "age", "run")]
    for record in records:
        name = path(record["output_dir"])
        if record["problem"]:
            rows.append(("?", "-", "-", "-", f"{name}  ({visible(record['problem'])})"))
            continue
        best = record["best"]
        label = f"  ({visible(record['name'])})" if record["name"] else ""
        age = duration(max(0.0, now - record["last_event_at"]))
        score = number(best and best["score"])
        rows.append((record["state"], _trials(record), score, age, f"{name}{label}"))
    return columns(rows)


def _trials(record: Mapping[str, Any]) -> str:
    planned = record["planned"]
    return f"{record['done']}" + ("" if planned is None else f"/{planned}")


# --- compare ------------------------------------------------------------------------------------


def compare_command(argv: Sequence[str]) -> int:
    """Print several runs side by side and return the exit code."""
    parser = reader(
        "compare",
        "Show runs side by side: how they searched, their best trials, and the best score after "
        "a part of their finished trials.",
    )
    parser.add_argument("runs", nargs="+", metavar="OUTPUT_DIR", help="the directories of runs")
    options = parser.parse_args(argv)
    records = []
    for directory in options.runs:
        with recorded_run(directory) as run:
            found = look(run.journal, is_tuner_alive=run.is_tuner_alive, host=run.host)
            records.append(compared_record(run, found))
    show(records, _side_by_side(records), is_json=options.json)
    if len({record["direction"] for record in records}) > 1:
        terminal.err(
            "WARNING: some of these runs maximize their score and others minimize it, so their "
            "scores cannot be compared"
        )
    return 0


def _side_by_side(records: Sequence[Mapping[str, Any]]) -> list[str]:
    rows: list[tuple[str, ...]] = []

    def add(title: str, cells: Iterator[str]) -> None:
        rows.append((title, *(cut(cell, _WIDEST) for cell in cells)))

    bests = [record["best"] or {"params": {}, "score": None, "trial": None} for record in records]
    add("", (path(record["output_dir"]) for record in records))
    if any(record["name"] for record in records):
        add("name", (visible(record["name"]) or "-" for record in records))
    for title in ("state", "direction", "strategy", "evaluator"):
        add(title, (visible(record[title]) for record in records))
    add("trials done", map(_trials, iter(records)))
    for title, status in (("failed", "FAILED"), ("stopped early", "STOPPED")):
        add(title, (str(record["counts"][status]) for record in records))
    add("seconds", (f"{record['seconds']:.0f}" for record in records))
    add("seconds of trials", (f"{record['trial_seconds']:.0f}" for record in records))
    add("best score", (number(best["score"]) for best in bests))
    add("of trial", ("-" if best["trial"] is None else str(best["trial"]) for best in bests))
    for name in dict.fromkeys(name for best in bests for name in best["params"]):
        add(f"  {name}", (_value(best["params"], name) for best in bests))
    for place, part in enumerate(records[0]["progress"]):
        progress = (record["progress"][place] for record in records)
        add(f"best after {part['share']:.0%}", (_progress(one) for one in progress))
    return columns(rows)


def _value(params: Mapping[str, Any], name: str) -> str:
    return short(params[name]) if name in params else "-"


def _progress(one: Mapping[str, Any]) -> str:
    trials = one["trials"]
    return f"{number(one['best'])}  ({trials} trial{'s' if trials != 1 else ''})"
