"""`autofinetune top`: watch a run in another terminal, or one that runs in the background."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from autofinetune import terminal
from autofinetune.cli.keys import pressed_keys
from autofinetune.cli.options import Parser
from autofinetune.run.directories import existing_run, known_config
from autofinetune.run.watching import Watch, Watched
from autofinetune.sinks import Console
from autofinetune.sinks.console import progress
from autofinetune.sinks.live.display import Display, signs_of
from autofinetune.sinks.live.layout import view
from autofinetune.sinks.live.sink import is_suitable
from autofinetune.sinks.live.usage import Usage, Use
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible

_LOOK_S = 1.0  # between two looks at the journal
_NO_LIMIT = 10_000  # lines


def top_command(argv: Sequence[str]) -> int:
    """Show a run until it ends, or until Ctrl-C or q; return the exit code."""
    parser = Parser("top", description=__doc__)
    parser.add_argument("output_dir", help="the directory of the run")
    parser.add_argument("--once", action="store_true", help="print it once, as plain text; "
                        "this is also what happens where the output is no terminal")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    options = parser.parse_args(argv)
    with (
        existing_run(options.output_dir) as paths,
        contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal,
    ):
        watch = Watch(paths, journal)
        watched = watch.look()
        is_once = options.once or watched.is_over or not is_suitable(sys.stdout, os.environ)
        if options.json:
            print(json.dumps(_as_data(watched, _uses(watched))), flush=True)
        elif is_once:
            print(_as_text(watched, _uses(watched)), flush=True)
        else:
            _follow(watch, watched, paths)
    return 0


def _follow(watch: Watch, watched: Watched, paths: RunPaths) -> None:
    """Draw the run on the terminal until it ends, or the user has seen enough."""
    display = Display(sys.stdout)
    config = known_config(paths)
    with (
        pressed_keys() as pressed,
        contextlib.suppress(KeyboardInterrupt),
        contextlib.closing(display),
    ):
        console = Console(config, paths, display.above, watched.snapshot.slots, is_coloured=True)
        display.show(watched.snapshot)
        display.start()
        while not watched.is_over and pressed(_LOOK_S) not in ("q", "Q"):
            watched = watch.look()
            now = watched.snapshot
            best = now.best.score if now.best else None
            for trial in watched.ended:
                console.say_ended(trial, progress(now.ended, now.total, best, now.left_s))
            display.show(now)
    terminal.out(_as_text(watched, {}))


def _uses(watched: Watched) -> Mapping[int, Use]:
    with contextlib.closing(Usage()) as usage:
        return usage.look(watched.snapshot.run, watched.snapshot.rows)


def _as_text(watched: Watched, uses: Mapping[int, Use]) -> str:
    width = shutil.get_terminal_size((100, 24)).columns
    name = f"run {visible(watched.snapshot.name)}: " if watched.snapshot.name else ""
    reason = f": {visible(watched.reason)}" if watched.reason else ""
    lines = view(
        watched.snapshot, uses, time.time(), max(20, width), _NO_LIMIT, signs_of(sys.stdout)
    )
    text = ["".join(piece for piece, _ in line).rstrip() for line in lines]
    return "\n".join([f"{name}{watched.state.value}{reason}", *text])


def _as_data(watched: Watched, uses: Mapping[int, Use]) -> dict[str, Any]:
    snapshot = watched.snapshot
    rows = [
        {
            **dataclasses.asdict(dataclasses.replace(row, base=None)),
            "changed": snapshot.changed(row),
            **dataclasses.asdict(uses.get(row.trial, Use())),
        }
        for row in snapshot.rows
    ]
    for row in rows:
        del row["base"]
    return {
        "run": snapshot.run,
        "name": snapshot.name,
        "state": watched.state.value,
        "reason": watched.reason,
        "total": snapshot.total,
        "counts": snapshot.counts,
        "slots": snapshot.slots,
        "running": rows,
        "waits": snapshot.waits,
        "best": dataclasses.asdict(snapshot.best) if snapshot.best else None,
        "best_scores": snapshot.best_scores,
        "seconds_left": snapshot.left_s,
    }
