"""The exception in a log, and the user's line that led to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.sinks.failure import Crash, crash_in
from autofinetune.version import PACKAGE_PARENT

TRACEBACK = [
    "epoch 1",
    "Traceback (most recent call last):",
    '  File "/home/ann/train.py", line 40, in <module>',
    "    main()",
    '  File "/home/ann/train.py", line 7, in main',
    "    torch.load(path)",
    '  File "/venv/lib/python3.11/site-packages/torch/serialization.py", line 99, in load',
    "    raise",
    "torch.cuda.OutOfMemoryError: CUDA out of memory",
]


def log_of(code: str, tmp_path: Path) -> list[str]:
    """What Python itself prints for a script."""
    (tmp_path / "train.py").write_text(code)
    words = [sys.executable, "train.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


def test_the_last_frame_in_a_file_of_the_user_is_named() -> None:
    wanted = Crash(
        "torch.cuda.OutOfMemoryError: CUDA out of memory", 8, "/home/ann/train.py:7 in main", 4
    )
    assert crash_in(TRACEBACK) == wanted
    assert crash_in([*TRACEBACK, "", "[W] leaked semaphores"]) == wanted


def test_our_own_frames_are_not_the_users() -> None:
    ours = f"{PACKAGE_PARENT}/autofinetune/trial/report.py"
    lines = [*TRACEBACK[:6], f'  File "{ours}", line 3, in f', "    raise", "TypeError: no number"]
    assert (crash_in(lines) or Crash("", 0)).place == "/home/ann/train.py:7 in main"


@pytest.mark.parametrize(
    ("code", "exception", "place"),
    [
        ("import json\ndef f():\n    json.loads('{')\nf()", "json.decoder.JSONDecode", "3 in f"),
        ("x = (\n", "SyntaxError: ", "train.py:1"),
        ("try:\n    1 / 0\nexcept OSError:\n    pass\nfinally:\n    [][0]", "IndexError: ", "6"),
        ("class Odd(Exception): pass\nraise Odd", "Odd", "2"),
        ("raise KeyError('one\\ntwo')", "KeyError: ", "1"),
        ("raise ValueError('one\\ntwo')", "ValueError: one", "1"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "1"),
    ],
)  # fmt: skip
def test_exceptions_as_python_prints_them(
    code: str, exception: str, place: str, tmp_path: Path
) -> None:
    found = crash_in(log_of(code, tmp_path))
    assert found is not None
    assert found.exception.startswith(exception)
    assert "train.py:" in found.place
    assert place in found.place
    assert found.frame is not None
    assert found.frame < found.line


def test_the_prefix_of_a_rank_is_understood() -> None:
    lines = [f"[rank1]: {line}" for line in TRACEBACK[1:]]
    lines.insert(2, "[rank0]: something else")
    found = crash_in(lines)
    assert found is not None
    assert found.exception == "torch.cuda.OutOfMemoryError: CUDA out of memory"
    assert found.place == "/home/ann/train.py:7 in main"


@pytest.mark.parametrize(
    "lines",
    [[], ["epoch 1", "epoch 2"], ["Traceback (most recent call last):"],
     ["Traceback (most recent call last):", "  File"], ["no Error here: 3", "Segmentation fault"],
     ["Traceback (most recent call last):", "not an exception"]],
)  # fmt: skip
def test_a_log_without_an_exception(lines: list[str]) -> None:
    assert crash_in(lines) is None
