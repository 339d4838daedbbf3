"""Run the commands of docs/first_run.md and write their output there.

Usage: python tools/first_run_page.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "first_run.md"
_BLOCK = re.compile(r"```console\n\$ (.*)\n(?:.*\n)*?```")
_SCRIPT = re.compile(r"```python\n(.*?)```", re.DOTALL)
_NOT_RUN = ("pip ",)


def replaced(text: str, folder: Path) -> str:
    """Return the page with the output of its commands, which run in an empty folder."""
    script = _SCRIPT.search(text)
    assert script is not None
    (folder / "train.py").write_text(script[1])
    return _BLOCK.sub(lambda block: _block(block[1], folder), text)


def _block(command: str, folder: Path) -> str:
    output = "" if command.startswith(_NOT_RUN) else output_of(command, folder)
    return f"```console\n$ {command}\n{output}```"


def output_of(command: str, folder: Path) -> str:
    """Return what a command prints, with the places of this machine replaced."""
    environ = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
    )  # fmt: skip
    text = done.stdout.replace(sys.prefix, ".venv").replace(str(folder), "~")
    return re.sub(r"[ \t]+\n", "\n", text)


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(replaced(PAGE.read_text(), Path(folder)))


if __name__ == "__main__":
    main()
