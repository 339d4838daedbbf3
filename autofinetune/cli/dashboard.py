"""`autofinetune dashboard result/`: show a run in the browser, for this machine only."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from autofinetune.cli.options import Parser
from autofinetune.errors import UsageError
from autofinetune.store.paths import RunPaths, opened_run


def dashboard_command(argv: Sequence[str]) -> int:
    """Serve the pages until Ctrl-C and return the exit code."""
    parser = Parser("dashboard", description=__doc__)
    parser.add_argument("output_dir", help="the directory of a run")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (default %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8040, help="port, 0 for a free one (default %(default)s)"
    )
    parser.add_argument(
        "--no-token", action="store_true",
        help="answer anyone who can connect, including every user of this machine",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if not 0 <= options.port <= 65535:
        raise UsageError(f"--port {options.port} is not a port", "use a number from 0 to 65535")
    paths = RunPaths(Path(options.output_dir))
    if not paths.visualization.is_dir():
        raise UsageError(
            f"{options.output_dir} has no {paths.visualization.name} directory",
            "give the output directory of a run; the pages are written once a trial has finished",
        )
    with opened_run(paths.root) as checked:
        if not checked.place_of(checked.visualization).is_there():
            raise UsageError(
                f"{paths.visualization.name} in {options.output_dir} is a link, which is not "
                "followed",
                "give the output directory that contains the pages themselves",
            )
    from autofinetune.sinks.board import listen, serve

    token = "" if options.no_token else secrets.token_urlsafe(24)
    with listen(options.host, options.port) as listener:
        serve(paths.visualization, listener, _say, token)
    return 0


def _say(address: str) -> None:
    print(f"{address}  (press Ctrl-C to stop)", flush=True)
