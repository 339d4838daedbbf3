"""What the commands that show runs have in common: arguments, JSON, tables, short texts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from autofinetune.cli.options import Parser
from autofinetune.run.records import as_json
from autofinetune.sinks.live import figures
from autofinetune.space import as_text
from autofinetune.visible import visible


def reader(command: str, description: str) -> Parser:
    """Return a parser with the option `--json`."""
    parser = Parser(command, description=description)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser


def add_run(parser: Parser) -> None:
    """Add the argument OUTPUT_DIR."""
    parser.add_argument("run", metavar="OUTPUT_DIR", help="the directory of a run")


def add_run_and_trial(parser: Parser, *, has_default: bool = False) -> None:
    """Add the arguments OUTPUT_DIR and TRIAL; the default of the latter is the best trial."""
    add_run(parser)
    text = "a number in trials.csv"
    if has_default:
        parser.add_argument("trial", nargs="?", metavar="TRIAL",
                            help=f"{text} (default: the best trial)")  # fmt: skip
    else:
        parser.add_argument("trial", metavar="TRIAL", help=text)


def show(record: object, lines: Sequence[str], *, is_json: bool) -> None:
    """Print a record as JSON, or its text, whose control characters were made visible."""
    print(as_json(record) if is_json else "\n".join(lines), flush=True)


def short(value: Any) -> str:
    """Return a value as safe text in one line."""
    return visible(as_text(value))


def number(value: float | None) -> str:
    """Return a score in six digits, `-` for none."""
    return "-" if value is None else f"{value:.6g}"


def path(absolute: str) -> str:
    """Return a path as a user would type it here, safe to print."""
    relative = os.path.relpath(absolute)
    return visible(absolute if relative.startswith("..") else relative)


def duration(seconds: float | None) -> str:
    """Return a duration such as `4.2 s`, `12 min`, `3 h 05 min` or `2 d 4 h`; `-` for none."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if 0 <= seconds < 10 else figures.duration(seconds)


def clock(at: float | None) -> str:
    """Return a time as local date and time; `-` for none or one that no clock shows."""
    try:
        return "-" if at is None else datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "-"


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Return rows as lines with aligned columns; the last one is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def cut(text: str, width: int) -> str:
    """Return a text of at most `width` characters; a longer one ends with `...`."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Return a small curve of at most `width` characters that standard output can show."""
    bars = figures.BARS
    try:
        bars.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeError, LookupError):
        bars = figures.PLAIN_BARS
    return figures.sparkline(values, width, bars)
