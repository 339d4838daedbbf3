"""The example of a systemd user unit, where systemd runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "docs/autofinetune@.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("autofinetune")
    text = UNIT.read_text().replace("%h/.local/bin/autofinetune", str(command))
    (tmp_path / "autofinetune@result.service").write_text(text)
    words = ["systemd-analyze", "--user", "verify", str(tmp_path / "autofinetune@result.service")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "Failed to initialize manager" in done.stderr or "XDG_RUNTIME_DIR" in done.stderr:
        pytest.skip(f"systemd cannot be asked here: {done.stderr.strip()[:200]}")
    assert (done.returncode, done.stderr) == (0, "")
