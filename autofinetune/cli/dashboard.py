"""`autofinetune dashboard result/`: show a run in the browser, for this machine only."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from autofinetune.cli.options import Parser
from autofinetune.errors import Mistake, UsageError, did_you_mean
from autofinetune.sinks import LOGS
from autofinetune.store.paths import RunPaths, opened_run

_OWN = "visualdl"


def dashboard_command(argv: Sequence[str]) -> int:
    """Serve the pages until Ctrl-C and return the exit code."""
    parser = Parser("dashboard", description=__doc__)
    parser.add_argument("output_dir", help="the directory of a run")
    parser.add_argument(
        "--of", metavar="TOOL", default=_OWN,
        help="start the pages of another tool that the run was logged to: tensorboard, mlflow, "
        "trackio (default %(default)s)",
    )  # fmt: skip
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
    if options.of != _OWN:
        _become_viewer(options.of, paths, options.host, options.port)
    _check_folder(paths, paths.visualization)
    from autofinetune.sinks.board import listen, serve

    token = "" if options.no_token else secrets.token_urlsafe(24)
    with listen(options.host, options.port) as listener:
        serve(paths.visualization, listener, _say, token)
    return 0


def _check_folder(paths: RunPaths, folder: Path) -> None:
    """Raise UsageError unless the folder of a tool is there and no link."""
    if not folder.is_dir():
        others = [log for log in LOGS if (paths.root / log).is_dir()]
        also = f"; it was logged to {', '.join(others)}, see --of" if others else ""
        raise UsageError(
            f"{paths.root} has no {folder.name} directory{also}",
            "give the output directory of a run; the pages are written once a trial has finished",
        )
    with opened_run(paths.root) as checked:
        if not checked.place_of(checked.root / folder.name).is_there():
            raise UsageError(
                f"{folder.name} in {paths.root} is a link, which is not followed",
                "give the output directory that contains the pages themselves",
            )


def _become_viewer(log: str, paths: RunPaths, host: str, port: int) -> NoReturn:
    """Replace this process by the server of a tool; its pages are open to all local users."""
    if log not in LOGS:
        raise UsageError(
            Mistake("of", f"is no tool that runs are logged to{did_you_mean(log, LOGS)}", log)
        )
    kind = LOGS.load(log)
    viewer = kind.viewer(paths, host, port)
    if viewer is None:
        step = kind.next_step(log, paths.shown)
        raise UsageError(Mistake("of", "has no pages on this machine", log), step or None)
    if kind.library is not None:
        kind.library.check(f"--of={log}")
    _check_folder(paths, paths.root / log)
    from autofinetune.sinks.board import listen

    with listen(host, port) as listener:  # the tool would say less clearly that a port is taken
        port = listener.getsockname()[1]
    viewer = kind.viewer(paths, host, port)
    shown = f"[{host}]" if ":" in host else host
    _say(f"{kind.__name__} starts at http://{shown}:{port}/, for every user of this machine")
    os.execve(sys.executable, [sys.executable, *viewer.words], {**os.environ, **viewer.env})


def _say(address: str) -> None:
    print(f"{address}  (press Ctrl-C to stop)", flush=True)
