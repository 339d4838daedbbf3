"""The actor of one attempt: runs it on the node where Ray placed it, and hands its files back.

Ray gets this module by value, so it needs nothing but the standard library until `start`; by then
the tuner has sent the package itself. On the node an attempt is run by the executor for one
machine, in a copy of the output directory of its own:

    <tmp>/autofinetune-<uid>/<run>/
        files/<sha256>     the contents that were sent, each only once
        package-<hash>/    this package           code-<hash>/    the directory of the script
        7-1/out/           the output directory as attempt 1 of trial 7 sees it

The tuner's paths are sent as names between null characters, which no word and no variable can
contain.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Tree = Mapping[str, Sequence[Any]]  # relative path -> (sha256, size, mode), or (target,) of a link
OUT, CODE, PYTHON = "\0out\0", "\0code\0", "\0python\0"
# What Ray sets for its own workers, and a trial must not see.
_OURS = ("RAY_", "SPT_NOENV")
_OLD_S = 7 * 86400.0  # directories of runs that were not used for so long are removed
_MODE = 0o700


class Actor:
    """One attempt; every method may be called again after an answer was lost.

    Args:
        run, name: of the run and, within it, of the attempt.
    """

    def __init__(self, run: str, name: str) -> None:
        top = Path(os.environ.get("AUTOFINETUNE_NODE_DIR") or tempfile.gettempdir())
        self._top = top / f"autofinetune-{os.getuid()}"
        self._run = self._top / run
        self._own = self._run / name
        self._files = self._run / "files"
        self._lock = threading.Lock()
        self._hashing = threading.Lock()
        self._executor: Any = None
        self._key = (0, 0)
        self._end = ""
        self._address: list[Any] = []
        self._ports: list[socket.socket] = []
        self._digests: dict[tuple[int, ...], str] = {}  # of files that were read, by their state
        self._top.mkdir(_MODE, exist_ok=True)
        if self._top.is_symlink() or self._top.stat().st_uid != os.getuid():
            raise PermissionError(f"{self._top} belongs to another user")
        self._files.mkdir(_MODE, parents=True, exist_ok=True)
        os.utime(self._run)
        self._remove_old()

    def _remove_old(self) -> None:
        for run in self._top.iterdir():
            with contextlib.suppress(OSError):
                if run.stat().st_mtime < time.time() - _OLD_S:
                    shutil.rmtree(run, ignore_errors=True)

    def ready(self) -> str:
        """Return the id of the node."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def reserve(self, count: int, keep: bool) -> list[Any]:
        """Return the address of the node, and free ports; `keep` them from others meanwhile."""
        import ray

        if not self._address:
            for _ in range(count):
                one = socket.socket()
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("", 0))
                self._ports.append(one)
            ports = [one.getsockname()[1] for one in self._ports]
            self._address = [ray.util.get_node_ip_address(), ports]
            for one in () if keep else self._ports:
                one.close()
        return self._address

    # --- what is sent ---------------------------------------------------------------------------

    def lacks(self, digests: Sequence[str]) -> list[str]:
        """Return those contents that are not here yet."""
        return [digest for digest in digests if not (self._files / digest).exists()]

    def put(self, pieces: Sequence[tuple[str, int, int, int]], data: bytes) -> None:
        """Take pieces of contents: (sha256, offset, bytes, size of the whole).

        Raise ValueError if a content is not what it should be.
        """
        at = 0
        for digest, offset, count, size in pieces:
            partial = self._files / f"{digest}.{self._own.name}"
            with partial.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                file.write(data[at : at + count])
            at += count
            if offset + count == size:
                if _digest(partial) != digest:
                    partial.unlink()
                    raise ValueError(f"a file arrived damaged: {digest}")
                partial.replace(self._files / digest)

    def _build(self, tree: Tree, target: Path) -> None:
        """Make the tree at `target` whole or not at all."""
        if target.exists():
            return
        partial = target.with_name(f"{target.name}.{os.getpid()}.{self._own.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(_MODE, parents=True)
        for name, entry in tree.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if len(entry) == 1:
                path.symlink_to(entry[0])
            else:
                shutil.copyfile(self._files / entry[0], path)
                path.chmod(entry[2])
        try:
            partial.rename(target)
        except OSError:  # another attempt on this node was faster
            shutil.rmtree(partial, ignore_errors=True)

    # --- the attempt ----------------------------------------------------------------------------

    def start(self, wanted: Mapping[str, Any]) -> None:
        """Start the attempt unless it was started before.

        Args:
            wanted: the `attempt`, the number of `ranks`, the trees `package`, `code` and
                `inputs` (by their path in the output directory), the `model` to create.
        """
        with self._lock:
            if self._executor is not None:
                return
            package = self._run / f"package-{wanted['package_id']}"
            self._build(wanted["package"], package)
            code = self._run / f"code-{wanted['code_id']}"
            self._build(wanted["code"], code)
            out = self._own / "out"
            for way, tree in wanted["inputs"].items():
                self._build(tree, out / way)
            places = {OUT: str(out), CODE: str(code), PYTHON: sys.executable}
            attempt = _placed(wanted["attempt"], places)
            for folder in (wanted["model"], Path(wanted["log"]).parent):
                (out / folder).mkdir(parents=True, exist_ok=True)
            sys.path.insert(0, str(package))
            from autofinetune.executors.ray import onnode

            self._key = (attempt["trial"], attempt["attempt"])
            env = {n: v for n, v in os.environ.items() if not n.startswith(_OURS)}
            self._executor = onnode.started(attempt, wanted["ranks"], env)
            self._places = (Path(attempt["directory"]), Path(attempt["log"]))

    def poll(self, log: int, reports: int, most: int) -> tuple[dict[str, Any], bytes, bytes]:
        """Return how it stands, and what is new in the log and in the reports, as bytes."""
        with self._lock:
            if self._executor is None:
                return {"end": "not_started"}, b"", b""
            if not self._end:
                for news in self._executor.poll(0.0):
                    self._end = {"EXITED": "exit", "LOST": "lost"}.get(news.state.value, "")
            directory, printed = self._places
            found: dict[str, Any] = {"end": self._end}
            for name in ("started", "exit"):
                if name == "started" or self._end == "exit":
                    found[name] = _text(directory / f"{name}.json")
        return (
            found,
            _bytes(printed, log, most),
            _bytes(directory / "reports.jsonl", reports, most),
        )

    def cancel(self) -> None:
        """Ask the trial to end; the second call kills it at once."""
        with self._lock:
            if self._executor is not None:
                self._executor.cancel(self._key)

    def stop(self) -> None:
        """Let `should_stop()` be true."""
        with self._lock:
            if self._executor is not None:
                self._executor.request_stop(self._key)

    # --- what is returned -----------------------------------------------------------------------

    def tree(self, way: str) -> dict[str, Sequence[Any]]:
        """Return what is in a directory of the output directory; pipes and the like are left out.

        Links that lead out of it are left out too.
        """
        root = self._own / "out" / way
        return dict(self._entries(root)) if root.is_dir() else {}

    def _entries(self, root: Path) -> Iterator[tuple[str, Sequence[Any]]]:
        for folder, inner, names in os.walk(root):
            for name in (*names, *inner):
                path = Path(folder, name)
                way = str(path.relative_to(root))
                if path.is_symlink():
                    goal = str(path.readlink())
                    there = os.path.normpath(Path(way).parent / goal)
                    if not goal.startswith("/") and there.split("/")[0] != "..":
                        yield way, (goal,)
                elif path.is_file():
                    with contextlib.suppress(FileNotFoundError):  # the script may remove it
                        found = path.stat()
                        yield (
                            way,
                            (self._digest(path, found), found.st_size, found.st_mode & 0o777),
                        )

    def _digest(self, path: Path, found: os.stat_result) -> str:
        """Return the hash of a file, which is read again only if it has changed."""
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        with self._hashing:  # a call that took too long is repeated, and then waits for the first
            if state not in self._digests:
                self._digests[state] = _digest(path)
        return self._digests[state]

    def read(self, way: str, offset: int, count: int) -> bytes:
        """Return bytes of a file below the output directory."""
        return _bytes(self._own / "out" / way, offset, count)

    def clean(self) -> None:
        """Remove the attempt's own copy of the output directory."""
        shutil.rmtree(self._own, ignore_errors=True)


def _placed(value: Any, places: Mapping[str, str]) -> Any:
    """Return a copy of JSON data with paths of this node in all its texts."""
    if isinstance(value, str):
        for name, path in places.items():
            value = value.replace(name, path)
        return value
    if isinstance(value, Mapping):
        return {name: _placed(one, places) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_placed(one, places) for one in value]
    return value


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def _bytes(path: Path, offset: int, count: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, count, offset)
    finally:
        os.close(descriptor)


def _text(path: Path) -> str:
    return _bytes(path, 0, 1 << 20).decode("utf-8", "replace")
