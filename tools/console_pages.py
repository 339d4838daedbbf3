"""Run the commands of pages in docs/ and write their output there.

Usage: python tools/console_pages.py [first_run] [control] [python] [recipes]

The commands of a page run one after another in one empty folder, in which a block of Python on the
page is train.py; a comment `<!-- before: COMMANDS -->` prepares the folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("first_run", "control", "python", "recipes")
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_BEFORE = re.compile(r"<!-- before:\n(.*?)-->", re.DOTALL)
_SCRIPT = re.compile(r"```python\n(.*?)```", re.DOTALL)
_NOT_RUN = ("pip ",)


def replaced(text: str, folder: Path) -> str:
    """Return the page with the output of its commands, which run in an empty folder."""
    script = _SCRIPT.search(text)
    if script is not None:
        (folder / "train.py").write_text(script[1])
    before = _BEFORE.search(text)
    if before is not None:
        output_of(before[1], folder)
    return _BLOCK.sub(lambda block: _block(block[1], folder), text)


def _block(shown: str, folder: Path) -> str:
    parts = []
    for part in shown.removeprefix("$ ").split("\n$ "):
        command, _, before = part.partition("\n")
        is_run = not command.startswith(_NOT_RUN)
        may_fail = "ERROR " in before  # the page shows a mistake
        output = output_of(command, folder, may_fail=may_fail) if is_run else ""
        parts.append(f"$ {command}\n{output}")
    return f"```console\n{''.join(parts)}```"


def output_of(command: str, folder: Path, *, may_fail: bool = False) -> str:
    """Return what a command prints, with the places of this machine replaced."""
    environ = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode and not may_fail:
        raise RuntimeError(f"{command} failed with {done.returncode}: {done.stdout}")
    text = done.stdout.replace(sys.prefix, ".venv").replace(str(folder), "~")
    return re.sub(r"[ \t]+\n", "\n", text)


def main(names: Sequence[str]) -> None:
    """Write the pages."""
    for name in names or PAGES:
        page = DOCS / f"{name}.md"
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(replaced(page.read_text(), Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
