"""Scripts of tests, and what is read from them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autofinetune.draft.option import ScriptOption
from autofinetune.draft.read import Reading, read_script


def reading_of(
    folder: Path, text: str, *, is_asked: bool = False, name: str = "train.py"
) -> Reading:
    (folder / name).write_text(text)
    return read_script(name, sys.executable, str(folder), os.environ, is_asked=is_asked)


def options_of(folder: Path, text: str, *, is_asked: bool = False) -> dict[str, ScriptOption]:
    return {one.name: one for one in reading_of(folder, text, is_asked=is_asked).options}
