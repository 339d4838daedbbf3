"""`autofinetune export`: write the trials of a run as CSV, JSON or Parquet, or for Optuna."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from autofinetune import terminal
from autofinetune.cli.options import Parser
from autofinetune.cli.shown import add_run
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.integration.optuna.export import export_study
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
    parser.add_argument("--format", choices=FORMATS,
                        help="csv, json or parquet (default: csv)")  # fmt: skip
    parser.add_argument(
        "--output", "-o", metavar="FILE", help="a file, by default standard output"
    )
    parser.add_argument(
        "--optuna", metavar="URL#NAME",
        help="write a new study of Optuna instead, such as sqlite:///study.db#name; without #NAME "
        "it gets the name of the run",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if options.optuna is not None:
        return _to_optuna(options)
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


def _to_optuna(options: argparse.Namespace) -> int:
    if options.format or options.output:
        raise UsageError("--optuna writes a study", "leave out --format and --output")
    with recorded_run(options.run) as run:
        name, count = export_study(run, options.optuna)
    trials = f"{count} ended trial{'s' if count != 1 else ''}"
    terminal.tell(f"{trials} written to the study {name}")
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
