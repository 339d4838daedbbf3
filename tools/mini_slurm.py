"""A real Slurm cluster on this machine, for tests and demos: two nodes with two cards each.

    python tools/mini_slurm.py COMMAND ...    run a command that finds the cluster

It needs Debian's packages slurmctld, slurmd, slurm-client and munge, and no root: the daemons run
as the current user with keys, ports and state of their own, and end with the command. The cards
are character devices that exist everywhere; only their numbers are used.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

PACKAGES = "slurmctld, slurmd, slurm-client and munge"
NODES = ("w1", "w2")
_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
_PATIENCE_S = 120.0
# SlurmdTimeout: after so many seconds without an answer a node is down. `low` can be preempted.
_CONFIG = """
ClusterName=mini
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=w1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 Gres=gpu:2 State=UNKNOWN
NodeName=w2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 Gres=gpu:2 State=UNKNOWN
PartitionName=low Nodes=w1,w2 Default=YES PriorityTier=1 OverSubscribe=NO
PartitionName=high Nodes=w1,w2 PriorityTier=10 OverSubscribe=NO
"""
_CARDS = "NodeName=w1,w2 Name=gpu File=/dev/tty[1-2]\n"


def missing() -> str:
    """Return why no cluster can be started here, or an empty string."""
    absent = [name for name in _PROGRAMS if _found(name) is None]
    return f"{', '.join(absent)} missing (Debian: {PACKAGES})" if absent else ""


def missing_rights() -> str:
    """Return why no directory can be hidden from the nodes, or an empty string."""
    words = ["unshare", "--mount", "true"]
    done = shutil.which("unshare") and subprocess.run(words, check=False, capture_output=True)
    return "" if done and done.returncode == 0 else "no rights for a mount namespace"


def _found(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM}")


class MiniSlurm:
    """The running daemons; `env` has the variables with which Slurm's commands find them."""

    def __init__(self, root: Path, hidden: Path | None = None) -> None:
        self.root = root
        self._hidden = hidden
        self.env = {"SLURM_CONF": str(root / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._configure()

    def _configure(self) -> None:
        with contextlib.ExitStack() as stack:
            bound = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            ports = [one.getsockname()[1] for one in bound]
        user = pwd.getpwuid(os.geteuid()).pw_name
        host = socket.gethostname().partition(".")[0]
        for name in ("state", *NODES):
            (self.root / name).mkdir()
        config = _CONFIG.format(root=self.root, ports=ports, user=user, host=host)
        (self.root / "slurm.conf").write_text(config)
        (self.root / "gres.conf").write_text(_CARDS)
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    def start(self) -> None:
        """Start the daemons and wait until both nodes are idle."""
        own = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid",
               "log-file": "munge.log", "seed-file": "munge.seed"}  # fmt: skip
        files = [f"--{option}={self.root / name}" for option, name in own.items()]
        self._start("munged", "--foreground", "--force", "--num-threads=1", *files)
        self._until(lambda: (self.root / "munge.socket").exists())
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self._until(lambda: self.nodes() == dict.fromkeys(NODES, "idle"))

    def start_controller(self) -> None:
        self._start("slurmctld", "-D")

    def start_node(self, name: str) -> None:
        path = _found("slurmd")
        assert path is not None, "slurmd is missing"
        before = []
        if self._hidden is not None:
            hide = f'mount -t tmpfs none "{self._hidden}" && exec "$@"'
            before = ["unshare", "--mount", "sh", "-c", hide, "sh"]
        self._start(*before, path, "-D", "-N", name, called=name)

    def _start(self, program: str, *words: str, called: str = "") -> None:
        path = _found(program)
        assert path is not None, f"{program} is missing"
        with (self.root / "daemons.log").open("ab") as log:
            self._daemons[called or program] = subprocess.Popen(
                [path, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
                start_new_session=True,
            )

    def kill(self, name: str, signum: int = signal.SIGKILL) -> None:
        """Kill a daemon: `slurmctld`, or the one of a node."""
        daemon = self._daemons.pop(name)
        daemon.send_signal(signum)
        daemon.wait()

    def save(self) -> None:
        """Wait until the controller has written down what it knows; it does so now and then."""
        begun = time.time()
        self.run("scancel", self.run("sbatch", "--parsable", "--hold", "--wrap", "true"))
        self._until(lambda: (self.root / "state" / "job_state").stat().st_mtime > begun)

    def run(self, *words: str) -> str:
        """Run one of Slurm's commands and return its output."""
        env = {**os.environ, **self.env}
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def nodes(self) -> dict[str, str]:
        """Return the states of the nodes, empty while the controller does not answer."""
        with contextlib.suppress(subprocess.CalledProcessError):
            lines = self.run("sinfo", "--Node", "--noheader", "--partition=low", "-o", "%N %t")
            return dict(line.split() for line in lines.splitlines())
        return {}

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError((self.root / "daemons.log").read_text()[-2000:])
            time.sleep(0.1)

    def stop(self) -> None:
        """Kill the daemons and all that they started."""
        while self._daemons:
            self.kill(next(iter(self._daemons)))
        ours = f"SLURM_CONF={self.env['SLURM_CONF']}".encode()
        for pid in (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()):
            with contextlib.suppress(OSError):
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if ours in environ and pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def mini_slurm(hidden: Path | None = None) -> Iterator[MiniSlurm]:
    """Start a cluster, on whose nodes a directory may be `hidden`, with an empty one in its place.

    The directory of the cluster is removed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as root:
        cluster = MiniSlurm(Path(root), hidden)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def main(words: list[str], environ: Mapping[str, str] = os.environ) -> int:
    """Run a command with a cluster around it, and return its exit code."""
    why = missing()
    if why or not words:
        print(why or "usage: python tools/mini_slurm.py COMMAND ...", file=sys.stderr)
        return 4 if why else 2
    with mini_slurm() as cluster:
        return subprocess.run(words, env={**environ, **cluster.env}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
