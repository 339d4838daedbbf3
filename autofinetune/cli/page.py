"""`autofinetune report result/`: write an HTML page about one or several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.cli.options import Parser
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.directories import existing_run
from autofinetune.store.directory import write_atomically
from autofinetune.store.paths import RunPaths
from autofinetune.terminal import tell

_NAME = "report.html"


def report_command(argv: Sequence[str]) -> int:
    """Write the page, and the figures if they are asked for, and return the exit code."""
    parser = Parser(
        "report",
        description="Write one HTML page with plots, tables and failures of a run, finished or "
        "running; with several runs, they are also compared. The page opens without a server.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="the output directory of a run")
    parser.add_argument(
        "--output", metavar="FILE", help=f"the page (default: {_NAME} in the first RUN)"
    )
    parser.add_argument(
        "--figures", metavar="DIR", help="also write every plot there, as PNG and SVG"
    )
    options = parser.parse_args(argv)
    # Imported late: they load numpy.
    from autofinetune.report.content import content_of
    from autofinetune.report.history import read_history
    from autofinetune.report.page import BEGINNING, page_of

    page = Path(options.output or Path(options.runs[0]) / _NAME)
    contents = []
    for directory in options.runs:
        with existing_run(directory) as paths:
            contents.append(content_of(read_history(paths), page.absolute()))
    _check(page, BEGINNING)
    text = page_of(contents)
    try:
        write_atomically(page, text.encode())
    except OSError as error:
        raise EnvironmentProblem(
            f"{page} cannot be written: {error.strerror or error}",
            "choose another --output",
        ) from None
    _tell_page(page, len(text), contents)
    if options.figures:
        from autofinetune.report.figures import draw

        names = draw(contents, Path(options.figures))
        tell(f"{len(names)} figures, each as PNG and SVG, in {options.figures}/")
    return 0


def _check(page: Path, beginning: str) -> None:
    """Refuse to replace anything but an earlier report."""
    if page.is_dir():
        raise UsageError(f"--output={page} is a directory", "name a file, such as report.html")
    if not page.parent.is_dir():
        raise UsageError(
            f"--output={page}: there is no directory {page.parent}", "create it, or name another"
        )
    if page.is_file():
        with page.open("rb") as file:
            if file.read(len(beginning)) != beginning.encode():
                raise UsageError(
                    f"{page} exists and is not a report", "name another file, or remove it"
                )


def _tell_page(page: Path, size: int, contents: Sequence[Mapping[str, Any]]) -> None:
    trials = sum(len(content["trials"]["id"]) for content in contents)
    tell(f"report of {trials} trials ({size / 1e6:.1f} MB): {RunPaths(page).shown}")
