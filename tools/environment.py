"""Print the path of a virtual environment that holds what a lock file names.

Environments lie in the user's cache directory, named after a hash of what they hold, so that every
checkout with the same lock file uses the same one. A missing environment is created first. The
project itself is imported from the directory in AUTOFINETUNE_SOURCE.

Usage: python3.11 tools/environment.py requirements/oldest.txt [torch==2.13.0 ...]

What stands after the lock file is installed before it, with what it needs itself, by version.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

SOURCE = "AUTOFINETUNE_SOURCE"
_PATH_FILE = f"import os, sys; sys.path.extend(filter(None, [os.environ.get({SOURCE!r})]))\n"
_COMMAND = "#!{python}\nimport sys\n\nfrom autofinetune.cli import main\n\nsys.exit(main())\n"


def environment(lock_file: Path, beside: Sequence[str] = ()) -> Path:
    """Return the environment for `lock_file`; two callers at once create it once.

    Args:
        lock_file: all that is installed, by hash.
        beside: requirements that are not in the lock, such as `torch==2.13.0`.
    """
    python = f"{sys.version} {Path(sys.executable).resolve()} {sys.base_prefix}"
    parts = (python, _PATH_FILE, _COMMAND, lock_file.read_text(encoding="utf-8"), *beside)
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    found = _cache() / f"{lock_file.stem}-{key}"
    found.parent.mkdir(parents=True, exist_ok=True)
    with found.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found / "ready").exists():
            _create(found, lock_file, beside)
            (found / "ready").touch()
    return found


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "autofinetune", "environments")


def _create(target: Path, lock_file: Path, beside: Sequence[str]) -> None:
    shutil.rmtree(target, ignore_errors=True)  # what an interrupted call left
    venv.create(target, with_pip=True)
    python = target / "bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-compile"]
    locked = ["--no-deps", "--require-hashes", "-r", str(lock_file)]  # the lock is whole
    if beside:
        subprocess.run([*install, *beside], check=True, stdout=sys.stderr)
    subprocess.run([*install, *locked], check=True, stdout=sys.stderr)
    (packages,) = target.glob("lib/python*/site-packages")
    # On all cores, which pip does not. Some packages have files that are no Python of today.
    compile_all = [str(python), "-m", "compileall", "-qq", "-j", "0", str(packages)]
    subprocess.run(compile_all, check=False, stdout=sys.stderr)
    (packages / "project.pth").write_text(_PATH_FILE, encoding="utf-8")
    command = target / "bin/autofinetune"
    command.write_text(_COMMAND.format(python=python), encoding="utf-8")
    command.chmod(0o755)


if __name__ == "__main__":
    print(environment(Path(sys.argv[1]), sys.argv[2:]))
