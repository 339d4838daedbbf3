"""Writes docs/live.svg: the live view of a real run of demo/digits, as a terminal shows it.

    .venv/bin/python tools/live_picture.py

The command runs on a pty; the picture is taken after `_AFTER` trials, when all columns are filled.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import signal
import struct
import sys
import tempfile
import termios
from collections.abc import Generator
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "live.svg"
_COLUMNS, _ROWS = 112, 22
_AFTER = 14
_WORDS = ("train.py", "--param_file=hparam.yaml", "--gpu=cpu:2", "--popsize=5", "--round=10",
          "--output_dir=result", "--seed=0", "--evaluator=fulltrail")  # fmt: skip
# A trial with a curve of reports, and with a measured use of the processor.
_FULL = re.compile(r"cpu:.*[▁-█]{3}.* [0-9]+%")


def screens(words: tuple[str, ...], folder: Path) -> Generator[list[str], None, None]:
    """Run the command; yield its lines with their colours after each frame."""
    child, leader = pty.fork()
    if child == 0:
        os.chdir(ROOT / "demo" / "digits")
        os.environ.update(TERM="xterm-256color", COLUMNS=str(_COLUMNS), LINES=str(_ROWS))
        for name in ("CI", "NO_COLOR"):
            os.environ.pop(name, None)
        given = [word.replace("=result", f"={folder / 'result'}") for word in words]
        os.execv(sys.executable, [sys.executable, "-m", "autofinetune", *given])
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    lines: list[str] = [""]
    row, is_at_start = 0, True
    try:
        with contextlib.suppress(OSError):  # the command has ended
            while data := os.read(leader, 1 << 16).decode(errors="replace"):
                for part in re.split(r"(\x1b\[[0-9]*[AJK]|\r\n|\n|\r)", data):
                    if part.endswith("A"):
                        row -= int(part[2:-1] or 1)
                    elif part.endswith("J") and part.startswith("\x1b"):
                        del lines[row + 1 :]
                        lines[row] = "" if is_at_start else lines[row]
                    elif part == "\x1b[2K":
                        lines[row] = ""
                    elif part.endswith("\n"):
                        row += 1
                        lines += [""] * (row + 1 - len(lines))
                    elif part != "\r":
                        lines[row] += part
                    if part and not part.endswith("A"):
                        is_at_start = part.endswith(("\r", "\n"))
                if data.endswith("\x1b[J"):  # a whole frame
                    yield lines
    finally:
        os.kill(child, signal.SIGINT)
        os.kill(child, signal.SIGTERM)
        os.close(leader)
        os.waitpid(child, 0)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(screens(_WORDS, Path(folder))) as frames,
    ):
        for lines in frames:
            shown = "\n".join(lines)
            done = re.search(r"([0-9]+)/50 done\S*  ", shown)
            if done and int(done[1]) >= _AFTER and len(_FULL.findall(shown)) == 2:
                break
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    text = f"$ autofinetune {' '.join(_WORDS)}\n{chr(10).join(lines[-_ROWS:])}"
    console.print(Text.from_ansi(text), soft_wrap=False)
    svg = console.export_svg(title="autofinetune", clear=True)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # loaded from the network
    PAGE.write_text(svg.replace(folder, "..") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
