"""What others see of a process; test_server.py checks that of a trial."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.preload.shown import Shown

CODE = """
import os, sys
from autofinetune.preload.shown import Shown
shown = Shown("ROOM")
shown.command("a name " + "x" * 5000)
shown.environment({"ONE": "1", "LONG": "y" * 5000, "TWO": "ü\\udcff"})
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def test_a_process_shows_what_it_is_told_and_keeps_the_rest() -> None:
    env = {"STAYS": "here", "ROOM": "." * 100, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.communicate(b"")
    assert [v for v in variables if v] == [b"STAYS=here", b"ONE=1", b"TWO=\xc3\xbc\xff"]
    assert words.startswith(b"a name xxx")
    assert len(words) <= len(" ".join(command).encode())


def test_without_the_variable_there_is_no_room() -> None:
    with pytest.raises(OSError, match="cannot be found"):
        Shown("NO_SUCH_VARIABLE")
