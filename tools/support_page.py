"""Find which versions of other libraries work, by test runs, and write docs/support.md.

Usage, with the Python of an environment that has all of them (requirements/strangers.txt):
    python tools/support_page.py newest [NAME ...]    test the versions in this environment
    python tools/support_page.py lowest [NAME ...]    search for the oldest release that passes
    python tools/support_page.py page                 write the page from docs/support.json

Both kinds of runs record what they found in docs/support.json and write the page. The search looks
at the first release of each minor version in the package index, and halves their list: it assumes
that a release passes if an older one does. Where setup.cfg asks for a release, the search goes up
from there. Each release that it tries is installed in a folder of
its own, which comes before the packages of the environment that runs the script.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "docs/support.json"
PAGE = ROOT / "docs/support.md"
_CALLBACK = "tests/integration/test_callbacks.py::test_callback[{}]"
# Older releases were built for the one, and import a part of the other that is gone.
_OLD = ("numpy<2", "setuptools<81", "pandas<3")
_HEAD = """\
# Supported versions

`tools/support_page.py` writes this page from test runs. The newest versions are those of
[requirements/strangers.txt](../requirements/strangers.txt). The lowest one is the oldest release
that was found to pass the same tests in that environment with numpy 1; callbacks refuse what is
older. Each library is optional, and loaded only when used.

"""


@dataclass(frozen=True)
class Library:
    """A library by its name in the package index, what uses it, and the tests of that.

    `tests` is an argument of pytest. A release that `is_alone` is installed without what it needs,
    which the environment has: it would bring gigabytes for GPUs. `beside` is installed with it.
    `least` is the oldest release that setup.cfg allows for this use.
    """

    name: str
    use: str
    tests: str
    is_alone: bool = False
    beside: Sequence[str] = ()
    least: str = ""


_OF_CALLBACKS = {
    "keras": "keras", "lightgbm": "lightgbm", "lightning": "lightning", "paddlepaddle": "paddle",
    "transformers": "transformers", "xgboost": "xgboost",
}  # fmt: skip
_ALONE = ("lightning", "xgboost")
_BESIDE_TRANSFORMERS = ("datasets<4", "pyarrow<20")
LIBRARIES = (
    *(
        Library(
            name,
            f"`integration.{module}`",
            _CALLBACK.format(module),
            name in _ALONE,
            _BESIDE_TRANSFORMERS if name == "transformers" else (),
        )
        for name, module in _OF_CALLBACKS.items()
    ),
    Library(
        "optuna", "`--tuning_strategy=optuna:...`", "tests/strategies/test_optuna_samplers.py"
    ),
    Library("scikit-learn", "the digits of the demos", "tests/demo/test_digits.py"),
    Library(
        "optuna",
        "`integration.optuna`",
        "tests/integration/test_optuna_sampler.py",
        least="4.0",
    ),
    Library(
        "scikit-learn", "`integration.sklearn`", "tests/integration/test_sklearn.py", least="1.4"
    ),
    Library(
        "transformers",
        "`integration.transformers`: searches",
        "tests/integration/test_transformers.py",
        beside=_BESIDE_TRANSFORMERS,
        least="4.46",
    ),
)


def passes(library: Library, *before: str) -> bool:
    """Whether the tests pass, and one of them is not skipped; `before` are folders of packages."""
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", library.tests]
    path = os.pathsep.join([*before, str(ROOT)])
    env = {**os.environ, "WITH_LIBRARIES": "1", "PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    is_good = done.returncode == 0 and bool(re.search(r"\d+ passed", done.stdout))
    if not is_good:
        print(done.stdout[-2000:], done.stderr[-1000:], file=sys.stderr)
    return is_good


def passes_with(library: Library, version: str) -> bool:
    """Whether the tests pass with another version of a library in front of the installed one."""
    with tempfile.TemporaryDirectory() as directory:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
        wanted = [f"{library.name}=={version}", *_OLD, *library.beside, f"--target={directory}"]
        alone = ["--no-deps"] if library.is_alone else []
        is_installed = not subprocess.run([*install, *alone, *wanted]).returncode
        is_good = is_installed and passes(library, directory)
    print(f"{library.name} {version} {'passes' if is_good else 'fails'}", flush=True)
    return is_good


def first_releases(name: str) -> list[str]:
    """Return the first release of each minor version, from old to new."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--only-binary=:all:", name]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (listed,) = re.findall(r"Available versions: (.*)", text)
    first: dict[tuple[int, ...], str] = {}
    for version in listed.split(", "):  # from new to old
        numbers = tuple(map(int, re.findall(r"\d+", version)))
        first[numbers[:2]] = version
    return [first[key] for key in sorted(first)]


def lowest(versions: Sequence[str], is_good: Callable[[str], bool]) -> str | None:
    """Return the first of `versions`, from old to new, from which on they are good, or None."""
    low, high = 0, len(versions)
    while low < high:
        middle = (low + high) // 2
        if is_good(versions[middle]):
            high = middle
        else:
            low = middle + 1
    return versions[low] if low < len(versions) else None


def lowest_of(library: Library) -> str | None:
    """Return the oldest release of a library that passes, or None."""
    versions = first_releases(library.name)
    if not library.least:
        return lowest(versions, lambda version: passes_with(library, version))
    least = f"{library.least}."
    place = next(place for place, one in enumerate(versions) if f"{one}.".startswith(least))
    return next((one for one in versions[place:] if passes_with(library, one)), None)


def page(record: Mapping[str, Any]) -> str:
    """Return the page in Markdown."""
    rows = [
        "| library | used by | lowest version tested | newest version tested |",
        "|---|---|---|---|",
    ]
    for library in LIBRARIES:
        found = record["uses"].get(library.use, {})
        low, high = (found.get(key) or "not tried" for key in ("lowest", "newest"))
        rows.append(f"| {library.name} | {library.use} | {low} | {high} |")
    return f"{_HEAD}Tested with Python {record['python']}.\n\n" + "\n".join(rows) + "\n"


def main(kind: str, *names: str) -> None:
    """Run what the command line asks for."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {"uses": {}}
    chosen = [one for one in LIBRARIES if not names or {one.name, one.use} & set(names)]
    for library in chosen if kind in ("newest", "lowest") else ():
        found: str | None
        if kind == "newest":
            version = importlib.metadata.version(library.name)
            found = version if passes(library) else None
        else:
            found = lowest_of(library)
        record["uses"].setdefault(library.use, {})[kind] = found
        record["python"] = platform.python_version()
        RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(record))


if __name__ == "__main__":
    main(*sys.argv[1:])
