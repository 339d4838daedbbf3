"""Environments that several checkouts share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def ask(lock_file: Path, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tools/environment.py"), str(lock_file)],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(asked: subprocess.Popen[str]) -> Path:
    out, _ = asked.communicate()
    assert asked.returncode == 0
    return Path(out.strip())


@pytest.mark.slow
@pytest.mark.long
def test_one_environment_for_each_content(tmp_path: Path) -> None:
    lock_file = tmp_path / "a.txt"
    lock_file.write_text("# nothing\n")
    both = [ask(lock_file, tmp_path / "cache") for _ in range(2)]
    first, second = map(answer, both)
    assert first == second
    assert first.is_relative_to(tmp_path / "cache/autofinetune")
    told = subprocess.run(
        [first / "bin/autofinetune", "report-final", "--help"],
        env={**os.environ, "AUTOFINETUNE_SOURCE": str(ROOT)},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "score" in told.stdout

    (first / "ready").unlink()  # as if it had been interrupted
    (first / "half").touch()
    assert answer(ask(lock_file, tmp_path / "cache")) == first
    assert not (first / "half").exists()

    lock_file.write_text("no-such-package-at-all==1 --hash=sha256:" + "0" * 64 + "\n")
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_NO_INDEX": "1"}
    refused = subprocess.run(
        [sys.executable, str(ROOT / "tools/environment.py"), str(lock_file)],
        env=environ, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert refused.returncode != 0
    assert not refused.stdout
