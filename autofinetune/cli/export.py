"""`autofinetune export`: write the trials of a run as CSV, JSON or Parquet."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from autofinetune import terminal
from autofinetune.cli.options import Parser
from autofinetune.cli.shown import add_run
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.recorded import recorded_run
from autofinetune.run.records import as_json, trial_records
from autofinetune.run.tables import as_csv, as_parquet
from autofinetune.store.directory import write_atomically
from autofinetune.visible import visible_lines

FORMATS = ("csv", "json", "parquet")


def export_command(argv: Sequence[str]) -> int:
    """Write one row for each trial and return the exit code."""
    parser = Parser(
        "export",
        description="Write one row for each trial of a run: all hyperparameters, scores, times "
        "and states; JSON also has the learning curves.",
    )
    add_run(parser)
    parser.add_argument("--format", choices=FORMATS, default="csv",
                        help="csv, json or parquet (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--output", "-o", metavar="FILE", help="a file, by default standard output"
    )
    options = parser.parse_args(argv)
    if options.format == "parquet" and not options.output:
        raise UsageError("Parquet is not text", "name a file: --output=trials.parquet")
    with recorded_run(options.run) as run:
        if options.format == "parquet":
            data = as_parquet(run)
        elif options.format == "json":
            data = f"{as_json(list(trial_records(run)))}\n".encode()
        else:
            data = as_csv(run).encode(errors="surrogateescape")
        count = len(run.state.trials)
    if options.output:
        _write(Path(options.output), data)
        terminal.tell(f"{count} trial{'s' if count != 1 else ''} written to {options.output}")
    elif sys.stdout.isatty():
        print(visible_lines(data.decode(errors="replace")), end="", flush=True)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    return 0


def _write(file: Path, data: bytes) -> None:
    """Replace a file; at a pipe or a device, such as /dev/stdout, write to it."""
    try:
        if file.exists() and not file.is_file():
            if file.is_dir():
                raise UsageError(f"--output={file} is a directory", "name a file")
            with file.open("wb") as stream:
                stream.write(data)
        else:
            write_atomically(file, data)
    except OSError as error:
        raise EnvironmentProblem(
            f"--output={file} cannot be written: {os.strerror(error.errno or 0)}",
            "name a file in a directory that exists and is writable",
        ) from None
