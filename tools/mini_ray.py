"""A real Ray cluster on this machine, for tests and demos: two nodes with two cards each.

    python tools/mini_ray.py COMMAND ...    run a command with a cluster around it

In the words of the command, {address} is the cluster's, and {python} a Python that can reach it.

MINI_RAY_PYTHON names a Python that has ray (otherwise the one that runs this). Where there are the
rights for it (root), each node has a network of its own and sees neither this checkout nor what
is hidden from it; elsewhere both nodes are plain processes. The cards are only numbers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

NODES = ("n1", "n2")
_VARIABLE = "MINI_RAY"
_PATIENCE_S = 180.0
_SOURCE = Path(__file__).resolve().parent.parent
# Without the monitor: Ray would end trials when something else fills the memory of this machine.
_ENV = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_memory_monitor_refresh_ms": "0",
}
_SMALL = 256 << 20  # bytes that n2 can hold, where the nodes are isolated
_TRIES = 3  # Ray gives a node half a minute to start, which a busy machine may not have
LINK = "mr"  # the name of a node's network device


def python() -> str:
    return os.environ.get("MINI_RAY_PYTHON") or sys.executable


def missing() -> str:
    """Return why no cluster can be started here, or an empty string."""
    words = [python(), "-c", "import ray"]
    done = subprocess.run(words, check=False, capture_output=True, cwd="/")
    return "" if done.returncode == 0 else f"{python()} has no ray"


def _can_isolate() -> bool:
    words = ["unshare", "--mount", "--net", "true"]
    found = all(map(shutil.which, ("unshare", "nsenter", "ip", "mount")))
    return found and subprocess.run(words, check=False, capture_output=True).returncode == 0


class MiniRay:
    """The running nodes; `address` is the cluster's, `bridge` a Python that can speak with it.

    `client_address` is for a Python outside the cluster; it needs the extra ray[client].

    Args:
        root: a directory with a short path, as sockets lie in it.
        hidden: directories in whose place the nodes see empty ones.
    """

    def __init__(self, root: Path, hidden: Sequence[Path] = ()) -> None:
        self.root = root
        self.is_isolated = _can_isolate()
        self._hidden = [_SOURCE, *hidden]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._ip = dict.fromkeys(NODES, socket.gethostbyname(socket.gethostname()))
        self._ports = [6379, 10001]
        if self.is_isolated:
            self._make_networks()
        else:
            with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as other:
                self._ports = [free.getsockname()[1] for free in (one, other)]
        self.address, client = (f"{self._ip['n1']}:{port}" for port in self._ports)
        self.client_address = f"ray://{client}"
        self.bridge = root / "python"
        words = ["env", *(f"{name}={value}" for name, value in _ENV.items()), python()]
        self.bridge.write_text(f'#!/bin/sh\nexec {" ".join([*self._inside("n1"), *words])} "$@"\n')
        self.bridge.chmod(0o755)

    def _make_networks(self) -> None:
        """Give each node a network namespace, and connect the two."""
        for number, node in enumerate(NODES, 1):
            holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
            self._holders[node] = holder
            self._ip[node] = f"10.213.0.{number}"
            _until(lambda pid=holder.pid: _has_own_network(pid))  # type: ignore[misc]
        first, second = (str(self._holders[node].pid) for node in NODES)
        _run(*self._inside("n1"), "ip", "link", "add", LINK, "type", "veth", "peer", "name",
             LINK, "netns", second)  # fmt: skip
        assert first
        for node in NODES:
            inside = self._inside(node)
            _run(*inside, "ip", "addr", "add", f"{self._ip[node]}/24", "dev", LINK)
            _run(*inside, "ip", "link", "set", "lo", "up")
            self.connect(node)

    def _inside(self, node: str) -> list[str]:
        if not self.is_isolated:
            return []
        return ["nsenter", f"--net=/proc/{self._holders[node].pid}/ns/net"]

    def connect(self, node: str, state: str = "up") -> None:
        """Connect a node with the other, or part them with `down`."""
        _run(*self._inside(node), "ip", "link", "set", LINK, state)

    def start(self) -> None:
        self.start_node("n1")
        self.start_node("n2")

    def start_node(self, node: str) -> None:
        """Start a node, the head for n1, and wait until the cluster has it."""
        log = self.root / f"{node}.log"
        for _ in range(_TRIES):
            self._start(node, log)
            daemon = self._daemons[node]
            _until(lambda: daemon.poll() is not None or _has_started(log))  # noqa: B023
            if daemon.poll() is None:
                return
            self.kill(node)
        raise RuntimeError(log.read_text()[-2000:])

    def _start(self, node: str, log: Path) -> None:
        files = self.root / node
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        port, client_port = self._ports
        where = ["--head", f"--port={port}", f"--ray-client-server-port={client_port}",
                 "--include-dashboard=false", f"--temp-dir={self.root}/t"]  # fmt: skip
        words = [
            str(Path(python()).parent / "ray"), "start", "--block", "--disable-usage-stats",
            *(where if node == "n1" else [f"--address={self.address}"]),
            f"--node-ip-address={self._ip[node]}", f"--node-name={node}", "--num-cpus=2",
            "--num-gpus=2", f'--resources={{"{node}": 1}}', f"--object-store-memory={100 << 20}",
        ]  # fmt: skip
        env = {**os.environ, _VARIABLE: f"{self.root}/{node}", "AUTOFINETUNE_NODE_DIR": str(files),
               **_ENV}  # fmt: skip
        with log.open("wb") as out:
            self._daemons[node] = subprocess.Popen(
                [*self._inside(node), *self._hiding(node), *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                start_new_session=True, cwd="/",
            )  # fmt: skip

    def _hiding(self, node: str) -> list[str]:
        if not self.is_isolated:
            return []
        (self.root / "t").mkdir(exist_ok=True)
        places = [*self._hidden, *([self.root / "t"] if node != "n1" else [])]
        script = "".join(f'mount -t tmpfs none "{one}" && ' for one in places)
        if node == "n2":
            script += f'mount -t tmpfs -o size={_SMALL} none "{self.root / node}" && '
        script += 'exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh"]

    def fill_disk(self) -> None:
        """Leave no room where n2 has its files."""
        self._in_files("n2", f"head -c {_SMALL} /dev/zero > filler 2>/dev/null; true")

    def free_disk(self) -> None:
        self._in_files("n2", "rm filler")

    def _in_files(self, node: str, script: str) -> None:
        inside = ["nsenter", f"--mount=/proc/{self._daemons[node].pid}/ns/mnt"]
        _run(*inside, "sh", "-c", f'cd "{self.root / node}" && {script}')

    def processes(self, node: str, name: str = "") -> list[int]:
        """Return the processes of a node, or those whose program has this name."""
        mark = f"{_VARIABLE}={self.root}/{node}".encode()
        found = []
        for pid in (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()):
            with contextlib.suppress(OSError):
                is_called = not name or Path(f"/proc/{pid}/comm").read_text().strip() == name
                if is_called and mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found.append(pid)
        return found

    def kill(self, node: str, name: str = "") -> None:
        """Kill the processes of a node, or those of this name: `raylet`, `gcs_server`."""
        for pid in self.processes(node, name):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not name:
            self._daemons.pop(node).wait()

    def stop(self) -> None:
        for node in list(self._daemons):
            while self.processes(node):
                for pid in self.processes(node):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            self._daemons.pop(node).wait()
        for holder in self._holders.values():
            holder.kill()
            holder.wait()


def _has_own_network(pid: int) -> bool:
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def _has_started(log: Path) -> bool:
    return "Ray runtime started" in log.read_text()[-3000:]


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError("the cluster does not start")
        time.sleep(0.1)


@contextlib.contextmanager
def mini_ray(hidden: Sequence[Path] = ()) -> Iterator[MiniRay]:
    """Start a cluster; its directory is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="r-", dir="/tmp", ignore_cleanup_errors=True) as root:
        cluster = MiniRay(Path(root), hidden)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def main(words: list[str]) -> int:
    """Run a command with a cluster around it, and return its exit code."""
    why = missing()
    if why or not words:
        print(why or "usage: python tools/mini_ray.py COMMAND ...", file=sys.stderr)
        return 4 if why else 2
    with mini_ray() as cluster:
        places = {"{python}": str(cluster.bridge), "{address}": cluster.address}
        for name, value in places.items():
            words = [word.replace(name, value) for word in words]
        return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
