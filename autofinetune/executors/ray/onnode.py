"""On a node: runs an attempt by the executor for one machine, as a process left alone by Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.core.slot import Slot
from autofinetune.executors.base import Attempt, Process
from autofinetune.executors.devices.slots import LocalSlot
from autofinetune.executors.files.hand_over import with_layer
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.local.start import START_RUNNER
from autofinetune.runner.processes import identity
from autofinetune.runner.ranks import network_variables
from autofinetune.version import PACKAGE_PARENT

# Ray kills the children of a worker that ends, and with the runner its trial would lose what ends
# it. So the runner's parent ends at once.
_SPAWN = """
import os, sys
to = int(sys.argv[1])
outputs = [(os.POSIX_SPAWN_DUP2, to, 1), (os.POSIX_SPAWN_DUP2, to, 2)]
print(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=outputs, setsid=True))
"""


class Detached:
    """Starts runners that are not our children."""

    def start(
        self,
        attempt: Attempt,
        env: Mapping[str, str],
        passed: Sequence[int],
        *,
        has_lifeline: bool,
    ) -> dict[str, Any]:
        """Start the runner; `passed` are its log and its lifeline. Return its `identity`."""
        lifelines = map(str, passed[1:2] if has_lifeline else ())
        runner = [*START_RUNNER, attempt.directory, PACKAGE_PARENT, *lifelines]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            done = subprocess.run(
                [sys.executable, "-S", "-I", "-c", _SPAWN, str(passed[0]), *runner],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=passed, env=env,
                check=False,
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if done.returncode:
            raise OSError(f"the runner did not start (exit code {done.returncode})")
        return identity(int(done.stdout))


def started(wanted: Mapping[str, Any], ranks: int, env: Mapping[str, str]) -> LocalExecutor:
    """Start an attempt, given as JSON; the trial ends with this process."""
    processes = tuple(
        Process(**{**one, "argv": tuple(one["argv"])}) for one in wanted["processes"]
    )
    slot = Slot.read(wanted["slot"])
    words = {**wanted, "argv": tuple(wanted["argv"]), "processes": processes, "slot": slot}
    # A command `python3` is the node's Python, too, as in an environment that is activated.
    path = f"{Path(sys.executable).parent}:{env.get('PATH', os.defpath)}"
    layer = {"PYTHONPATH": with_layer(env.get("PYTHONPATH")), "PATH": path}
    first = processes[0].env.get("MASTER_ADDR", "") if processes else ""  # with ranks elsewhere
    environ = {"PYTHONUNBUFFERED": "1", **network_variables(first), **env, **layer}
    place = LocalSlot(slot, ranks=ranks)
    executor = LocalExecutor([place], environ, trials_outlive_us=False, forks=Detached())
    try:
        executor.submit(Attempt(**words))
    except OSError:
        executor.close()
        raise
    return executor


def as_json(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as JSON, for `started`."""
    plain = {**vars(attempt), "place": None}
    plain["processes"] = [
        {**vars(one), "argv": list(one.argv), "env": dict(one.env)} for one in attempt.processes
    ]
    return {**plain, "slot": str(attempt.slot), "env": dict(attempt.env),
            "files": dict(attempt.files), "argv": list(attempt.argv)}  # fmt: skip
