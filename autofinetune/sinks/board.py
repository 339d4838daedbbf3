"""Serves the VisualDL pages of a run, without what stock VisualDL 2.5.3 does to its users.

Its server tells the internet about itself and replaces one of its own files by a download unless
telemetry is off; it serves one connection at a time, so a connection that a browser opens in
advance stops the page; each part of a page walks and reopens every log file, which takes minutes
from a few hundred trials on; trials are named by their whole path, in the order of the file
system; and the plots show a trial without a score above the best one.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from autofinetune.errors import EnvironmentProblem

from .gate import guarded
from .records import Records, add_what_is_whole, is_log
from .visualdl import import_visualdl

RELOAD_S = 2.0
CACHE_S = 3
TABS = ("scalar", "hyper_parameters", "text")

_GRAPHS = "_dist_/components/HyperParameterPage/"
CORRECTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    # A value that is absent is drawn at 0, the upper edge: the line ends before it instead.
    f"{_GRAPHS}ParallelCoordinatesView/ParallelCoordinatesGraph/ParallelCoordinatesGraph.js": (
        ("(v=f(s.data[o][c]))!=null?v:0", "(v=f(s.data[o][c]))!=null?v:null"),
        ("d.line()(", "d.line().defined(at=>at[1]!=null)("),
        ('.name]))!=null?i:0).attr("r",4)', '.name]))!=null?i:-99).attr("r",4)'),
    ),
    # The same for a dot, which goes out of sight.
    f"{_GRAPHS}ScatterPlotMatrixView/ScatterChart/ScatterChart.js": (
        ("(x=this.scale[1](i[1]))!=null?x:0", "(x=this.scale[1](i[1]))!=null?x:-99"),
    ),
}
"""File of the pages to (what stands there, what is served instead); no match changes nothing."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host:port`; port 0 takes a free one.

    Raises:
        EnvironmentProblem: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Else a dashboard that has just ended keeps its port for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, UnicodeError) as error:
        listener.close()
        raise EnvironmentProblem(
            f"{_address(host, port)} cannot be used: {getattr(error, 'strerror', error)}",
            "choose another port with --port, or another address with --host",
        ) from None
    return listener


def serve(
    logdir: Path, listener: socket.socket, say: Callable[[str], None], token: str = ""
) -> None:
    """Answer on `listener` until Ctrl-C, which ends the process.

    The process moves into `logdir`, because VisualDL names a trial by the path that it walked.

    Args:
        logdir: the visualization directory of a run.
        listener: where to answer; see `listen`.
        say: takes the address of the pages once they can be opened.
        token: what a request has to know; an empty one is asked of nobody.

    Raises:
        EnvironmentProblem: VisualDL cannot be loaded.
    """
    host, port = listener.getsockname()[:2]
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # VisualDL changes that
    os.chdir(logdir)
    try:
        pages = _make_app(host, port)
        from werkzeug.serving import make_server
    except Exception as error:
        raise EnvironmentProblem(
            f"VisualDL cannot be loaded: {type(error).__name__}: {error}",
            "install it again: pip install --force-reinstall visualdl",
        ) from None
    answer = guarded(one_at_a_time(pages), host=host, token=token)
    server = make_server(host, port, answer, threaded=True, fd=listener.fileno())
    # At once, as VisualDL has it: threads of its own would keep the process from ending in peace.
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    say(f"http://{_address(host, port)}/" + (f"?token={token}" if token else ""))
    server.serve_forever()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _make_app(host: str, port: int) -> Callable[..., Iterable[bytes]]:
    """The pages of the logs below the working directory, as a WSGI application."""
    import_visualdl()
    from visualdl.reader import record_reader
    from visualdl.reader.reader import LogReader
    from visualdl.server import api, app, log
    from visualdl.server.args import ParseArgs

    record_reader._RecordReader = Records
    LogReader.add_remain = add_what_is_whole
    LogReader.get_all_walk = walk_in_order
    LogReader.load_new_data = at_most_every(RELOAD_S, LogReader.load_new_data, time.monotonic)
    api.error_retry_times = 1  # it sleeps before each try, while everybody else waits
    api.Api._get = loaded_first(api.Api._get)
    api.Api._get_with_retry = loaded_first(api.Api._get_with_retry)
    app.Template.render = corrected(app.Template.render)
    log.init_logger(0)  # else every request is a line in the terminal
    made: Callable[..., Iterable[bytes]] = app.create_app(
        ParseArgs(
            logdir=["."], host=host, port=port, telemetry=False, language="en",
            cache_timeout=CACHE_S, component_tabs=list(TABS),
        )
    )  # fmt: skip
    return made


# --- what replaces parts of VisualDL ------------------------------------------------------------


def one_at_a_time(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """`app` for a server with threads; its readers are made for one request at a time."""
    lock = threading.Lock()

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        with lock:
            return app(environ, start_response)

    return answer


def at_most_every(
    seconds: float, load: Callable[..., Any], now: Callable[[], float]
) -> Callable[..., None]:
    """`load` as a method that does nothing within `seconds` of its last call on that object."""

    def load_sometimes(self: Any, update: bool = True) -> None:
        last = getattr(self, "_loaded_at", None)
        if last is not None and now() - last < seconds:
            return
        # A run that is resumed removes its files and writes them again; the next look has them.
        with contextlib.suppress(FileNotFoundError):
            load(self, update=update)
        self._loaded_at = now()

    return load_sometimes


def loaded_first(get: Callable[..., Any]) -> Callable[..., Any]:
    """`get` of an Api, with what is new; it lists the trials it knows and only then loads more."""

    def get_loaded(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._reader.load_new_data()
        return get(self, *args, **kwargs)

    return get_loaded


def walk_in_order(self: Any) -> None:
    """Sets `walks` of a LogReader: directory to file names, by short names, 2 before 10."""
    found = {
        os.path.normpath(folder): [name for name in files if is_log(Path(folder, name))]
        for root in self.dir
        for folder, _, files in os.walk(root)
    }
    self.walks = {folder: found[folder] for folder in sorted(found, key=_natural)}


def corrected(render: Callable[..., Any]) -> Callable[..., Any]:
    """`render(self, file)`, a Flask response, with the `CORRECTIONS` of that file."""

    def render_corrected(self: Any, file: str) -> Any:
        response = render(self, file)
        for old, new in CORRECTIONS.get(file, ()):
            response.set_data(response.get_data(as_text=True).replace(old, new))
        return response

    return render_corrected


def _natural(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", path)]
