"""Serves the VisualDL pages of a run, without what stock VisualDL 2.5.3 does to its users.

Its server tells the internet about itself and replaces one of its own files by a download unless
telemetry is off; each of its page parts walks and reopens every log file, which takes minutes
from a few hundred trials on; on a port that is taken it claims to be running.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autofinetune.errors import EnvironmentProblem

from .visualdl import import_visualdl

RELOAD_S = 2.0
CACHE_S = 3


def check_port(host: str, port: int) -> None:
    """Raises EnvironmentProblem when `host:port` cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EnvironmentProblem(
                f"{host}:{port} cannot be used: {error.strerror or error}",
                "choose another one with --port",
            ) from None


def serve(logdir: Path, host: str, port: int) -> None:
    """Run the server in this process until it is interrupted.

    Raises:
        EnvironmentProblem: VisualDL cannot be imported, or the port is taken.
    """
    check_port(host, port)
    try:
        import_visualdl()
        from visualdl.reader.reader import LogReader
        from visualdl.server import app
    except Exception as error:
        raise EnvironmentProblem(
            f"VisualDL cannot be loaded: {error}", "install it again: pip install visualdl"
        ) from None
    LogReader.load_new_data = at_most_every(RELOAD_S, LogReader.load_new_data, time.monotonic)
    os.environ["VISUALDL_RUN_PREFIX"] = f"{logdir.absolute()}/"
    sys.argv = [
        "visualdl", "--logdir", str(logdir.absolute()), "--host", host, "--port", str(port),
        "--disable-telemetry", "-L", "en", "--cache-timeout", str(CACHE_S),
    ]  # fmt: skip
    app.main()


def at_most_every(
    seconds: float, load: Callable[..., Any], now: Callable[[], float]
) -> Callable[..., None]:
    """`load` as a method that does nothing within `seconds` of its last call on the same object."""
    last: dict[int, float] = {}

    def load_sometimes(self: object, update: bool = True) -> None:
        if now() - last.get(id(self), -seconds) >= seconds:
            load(self, update=update)
            last[id(self)] = now()

    return load_sometimes
