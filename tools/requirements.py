"""Print what a lock file is made from: the requirements of setup.cfg, and those of its build.

Usage: python3 tools/requirements.py dev      # with the extra `dev`
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def requirements(extra: str) -> list[str]:
    """Return what the project needs with this extra, to be built and to run."""
    setup = configparser.ConfigParser()
    setup.read(_ROOT / "setup.cfg", encoding="utf-8")
    build = re.search(
        r"^requires = (\[.*\])", (_ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert build
    wanted = [setup["options"]["install_requires"], setup["options.extras_require"][extra]]
    return [*ast.literal_eval(build[1]), *" ".join(wanted).split()]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
