"""Scripts for other tools run unchanged; what was run is kept for docs/strangers.md."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .helpers import PYTHON, Place

RECORD = "STRANGERS_JSON"
_ROWS: list[dict[str, Any]] = []
_VERSIONS = """
import importlib.metadata, json, platform, sys
found = {name: importlib.metadata.version(name) for name in sys.argv[1:]}
print(json.dumps({"Python": platform.python_version(), **found}))
"""


@pytest.fixture(autouse=True)
def _has_libraries() -> None:
    if not os.environ.get(PYTHON):
        pytest.skip(f"needs a Python with many libraries, named by {PYTHON}: make test-strangers")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A new directory and a new home."""
    root, home = tmp_path / "work", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    return Place(root, home)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Send the words of the mark to the process that writes the record."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    mark = item.get_closest_marker("stranger")
    if mark is not None and report.when == "call":
        tool, what, *packages = mark.args
        row = {"tool": tool, "what": what, "packages": packages, "test": item.nodeid}
        report.user_properties.append(("stranger", {**row, "passed": report.passed}))
    return report  # type: ignore[return-value]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect the rows, also from the processes of pytest-xdist."""
    if report.when == "call" and not report.skipped:
        for name, row in report.user_properties:
            if name == "stranger" and isinstance(row, dict):
                _ROWS.append(row)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the record where the variable STRANGERS_JSON says."""
    path = os.environ.get(RECORD)
    if not path or not _ROWS or hasattr(session.config, "workerinput"):
        return
    rows = sorted(_ROWS, key=lambda row: (row["tool"].lower(), row["test"]))
    names = sorted({name for row in rows for name in row["packages"]})
    command = [os.environ[PYTHON], "-c", _VERSIONS, *names]
    versions = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    record = {"versions": json.loads(versions), "rows": rows}
    Path(path).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
