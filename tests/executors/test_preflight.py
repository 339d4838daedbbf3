"""A question put to a script ends when everything the script left behind is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from autofinetune.executors import preflight
from autofinetune.runner import processes


def test_the_end_waits_for_one_that_has_lost_its_mark_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = subprocess.Popen(["sleep", "1000"])
    looks = [[], [], [left.pid]]  # the mark is gone at the second look, the process is not

    def exits_later(pids: Iterable[int], signum: int) -> None:
        assert (list(pids), signum) == ([left.pid], signal.SIGKILL)

    def look(mark: str) -> list[int]:
        if len(looks) == 1:
            left.kill()
            left.wait()
        return looks.pop()

    monkeypatch.setattr(processes, "marked", look)
    monkeypatch.setattr(preflight, "send_to", exits_later)
    command = [sys.executable, "-c", "print('usage: x [-h] --rate RATE')"]
    found = preflight.ask_for_options(
        command, working_dir=str(Path.cwd()), env=os.environ, timeout_s=60.0
    )
    assert found.options == {"rate"}
    assert left.returncode == -signal.SIGKILL
