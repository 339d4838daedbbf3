"""Commands of the user that are no trials."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autofinetune.executors.local.hook import run_hook


def run(root: Path, code: str, data: bytes = b"", timeout_s: float = 60.0) -> str:
    words = [sys.executable, "-c", code]
    return run_hook(words, data, working_dir=str(root), timeout_s=timeout_s)


def test_it_gets_its_data_and_runs_where_it_should(tmp_path: Path) -> None:
    code = "import sys; open('got', 'w').write(sys.stdin.read())"
    assert run(tmp_path, code, b"x" * 1_000_000) == ""
    assert (tmp_path / "got").read_text() == "x" * 1_000_000
    assert run(tmp_path, "pass", b"y" * 1_000_000) == ""  # it need not read


def test_its_failure_is_told_with_its_last_line(tmp_path: Path) -> None:
    code = "import sys; print('a\\nlast'); sys.exit(3)"
    assert run(tmp_path, code) == "exited with code 3: last"
    assert run(tmp_path, "raise SystemExit(1)") == "exited with code 1"
    code = "import os; os.kill(os.getpid(), 9)"
    assert run(tmp_path, code) == "was killed by signal 9"
    problem = run_hook(["/none"], b"", working_dir=str(tmp_path), timeout_s=1)
    assert problem == "cannot be started: No such file or directory"


def test_it_is_killed_with_its_children_when_it_takes_too_long(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    code = "import os, signal; os.fork(); open('pipe'); signal.pause()"
    assert run(tmp_path, code, timeout_s=0.2) == "took longer than 0.2 s and was killed"
    # No process has the pipe open for reading: the child was killed, too.
    try:
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        assert os.strerror(error.errno or 0) == "No such device or address"
