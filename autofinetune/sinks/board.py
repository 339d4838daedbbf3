"""Serve the VisualDL pages of a run, without the problems of stock VisualDL 2.5.3.

Unless telemetry is off, its server contacts the internet and replaces one of its own files with a
download. It serves one connection at a time, so a connection that a browser opens in advance
blocks the page. Each part of a page walks and reopens every log file, which takes minutes from a
few hundred trials on. Trials are named by their full path, in file system order. The plots show a
trial without a score above the best one.
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
    # A missing value is drawn at 0, the upper edge. End the line before it instead.
    f"{_GRAPHS}ParallelCoordinatesView/ParallelCoordinatesGraph/ParallelCoordinatesGraph.js": (
        ("(v=f(s.data[o][c]))!=null?v:0", "(v=f(s.data[o][c]))!=null?v:null"),
        ("d.line()(", "d.line().defined(at=>at[1]!=null)("),
        ('.name]))!=null?i:0).attr("r",4)', '.name]))!=null?i:-99).attr("r",4)'),
    ),
    # The same for a dot: move it out of sight.
    f"{_GRAPHS}ScatterPlotMatrixView/ScatterChart/ScatterChart.js": (
        ("(x=this.scale[1](i[1]))!=null?x:0", "(x=this.scale[1](i[1]))!=null?x:-99"),
    ),
}
"""Replacements (old text, new text) by file of the pages; without a match nothing changes."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host:port`; port 0 chooses a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Otherwise the port stays blocked for a minute after a dashboard ends.
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
    """Serve on `listener` until Ctrl-C, which ends the process.

    The process changes to `logdir`, because VisualDL names a trial by the path that it walked.
    `say` receives the address of the pages once they can be opened; `token` is as for `guarded`.
    Raise EnvironmentProblem if VisualDL cannot be loaded.
    """
    host, port = listener.getsockname()[:2]
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # VisualDL changes the handler
    os.chdir(logdir)
    try:
        pages = _make_app(host, port)
        from werkzeug.serving import make_server
    except Exception as error:
        raise EnvironmentProblem(
            f"VisualDL cannot be loaded: {type(error).__name__}: {error}",
            "reinstall it: pip install --force-reinstall visualdl",
        ) from None
    answer = guarded(one_at_a_time(pages), host=host, token=token)
    server = make_server(host, port, answer, threaded=True, fd=listener.fileno())
    # End immediately, as VisualDL does: its own threads would delay a normal exit.
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    say(f"http://{_address(host, port)}/" + (f"?token={token}" if token else ""))
    server.serve_forever()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _make_app(host: str, port: int) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application for the logs below the working directory."""
    import_visualdl()
    from visualdl.reader import record_reader
    from visualdl.reader.reader import LogReader
    from visualdl.server import api, app, log
    from visualdl.server.args import ParseArgs

    record_reader._RecordReader = Records
    LogReader.add_remain = add_what_is_whole
    LogReader.get_all_walk = walk_in_order
    LogReader.load_new_data = at_most_every(RELOAD_S, LogReader.load_new_data, time.monotonic)
    api.error_retry_times = 1  # it sleeps before each retry, while all other requests wait
    api.Api._get = loaded_first(api.Api._get)
    api.Api._get_with_retry = loaded_first(api.Api._get_with_retry)
    app.Template.render = corrected(app.Template.render)
    log.init_logger(0)  # otherwise every request prints a line
    made: Callable[..., Iterable[bytes]] = app.create_app(
        ParseArgs(
            logdir=["."], host=host, port=port, telemetry=False, language="en",
            cache_timeout=CACHE_S, component_tabs=list(TABS),
        )
    )  # fmt: skip
    return made


# --- replacements for parts of VisualDL ---------------------------------------------------------


def one_at_a_time(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wrap `app` for a threaded server; its readers can serve one request at a time."""
    lock = threading.Lock()

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        with lock:
            return app(environ, start_response)

    return answer


def at_most_every(
    seconds: float, load: Callable[..., Any], now: Callable[[], float]
) -> Callable[..., None]:
    """Wrap the method `load` to do nothing within `seconds` of its last call on an object."""

    def load_sometimes(self: Any, update: bool = True) -> None:
        last = getattr(self, "_loaded_at", None)
        if last is not None and now() - last < seconds:
            return
        # A resumed run removes its files and writes them again; the next load finds them.
        with contextlib.suppress(FileNotFoundError):
            load(self, update=update)
        self._loaded_at = now()

    return load_sometimes


def loaded_first(get: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `get` of an Api to load new data first; it lists its known trials before loading."""

    def get_loaded(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._reader.load_new_data()
        return get(self, *args, **kwargs)

    return get_loaded


def walk_in_order(self: Any) -> None:
    """Set `walks` of a LogReader: file names by short directory name, with 2 before 10."""
    found = {
        os.path.normpath(folder): [name for name in files if is_log(Path(folder, name))]
        for root in self.dir
        for folder, _, files in os.walk(root)
    }
    self.walks = {folder: found[folder] for folder in sorted(found, key=_natural)}


def corrected(render: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `render(self, file)` to apply the `CORRECTIONS` of that file to its response."""

    def render_corrected(self: Any, file: str) -> Any:
        response = render(self, file)
        for old, new in CORRECTIONS.get(file, ()):
            response.set_data(response.get_data(as_text=True).replace(old, new))
        return response

    return render_corrected


def _natural(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", path)]
