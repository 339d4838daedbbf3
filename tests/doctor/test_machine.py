"""Checks of the machine against made-up files of the kernel."""

from __future__ import annotations

import importlib.metadata
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autofinetune.doctor import machine
from autofinetune.doctor.finding import Finding, Status
from autofinetune.doctor.machine import numbers


def only(check: Callable[[], object]) -> Finding:
    (found,) = list(check())  # type: ignore[call-overload]
    assert isinstance(found, Finding)
    return found


def group(folder: Path, **files: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"cgroup.procs": "", **files}.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


def test_another_python_is_untested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(machine.python).status is Status.OK
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    found = only(machine.python)
    assert found.status is Status.WARNING
    assert "tested are 3.10 to 3." in found.text


def test_packages_without_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(machine.environment).text == f"virtual environment {sys.prefix}"
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setenv("CONDA_PREFIX", sys.base_prefix)
    assert "conda" in only(machine.environment).text
    monkeypatch.delenv("CONDA_PREFIX")
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert "venv" in only(machine.environment).todo


def test_old_and_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(machine.packages).status is Status.OK
    needed = [
        "numpy>=99.1",
        "no-such-package>=1",
        "pytest>=99; extra == 'dev'",
        "absent>=1; extra",
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needed)
    numpy, missing, extra = machine.packages()
    assert (numpy.status, missing.status, extra.status) == (
        Status.PROBLEM, Status.PROBLEM, Status.WARNING,
    )  # fmt: skip
    assert "is older than 99.1" in numpy.text
    assert missing.todo == "pip install 'no-such-package>=1'"


def test_numbers_of_versions() -> None:
    assert numbers("12.535.1rc1") == (12, 535, 1)
    assert numbers("2.0.dev1") < numbers("2.0.1")
    assert numbers("x") == ()


def test_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(machine.kernel).status is Status.OK
    monkeypatch.delattr(os, "pidfd_open")
    assert only(machine.kernel).status is Status.PROBLEM


def test_a_quota_of_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = group(tmp_path / "a", cpu__max="max 100000")
    monkeypatch.setattr(machine, "own_groups", lambda: [inner])
    assert machine.cpu_quota() is None or machine.cpu_quota()
    group(tmp_path, cpu__max="50000 100000")
    assert machine.cpu_quota() == 0.5
    found = only(machine.cores)
    assert (found.status, "--gpu=cpu:1" in found.todo) == (Status.WARNING, True)


@pytest.mark.parametrize(
    "names", [("memory__max", "memory__current"),
              ("memory__limit_in_bytes", "memory__usage_in_bytes")]
)  # fmt: skip
def test_a_limit_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    monkeypatch.setattr(machine, "own_groups", lambda: [])
    assert machine.memory_limit() is None
    files = dict(zip(names, ("3221225472", "2147483648"), strict=True))
    limited = group(tmp_path, **files)
    monkeypatch.setattr(machine, "own_groups", lambda: [limited])
    assert machine.memory_limit() == (3 << 30, 2 << 30)
    found = only(machine.memory)
    assert found.text == "1.0 GiB left of the 3.0 GiB of the control group"
    assert found.status is Status.WARNING
    group(tmp_path, **{**files, names[0]: str(1 << 62)})
    assert machine.memory_limit() is None


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100, 100))
    found = only(machine.limits)
    assert (found.text, found.todo) == (
        "100 open files, 100 processes", "ulimit -n 1024; ulimit -u 4096",
    )  # fmt: skip
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (-1, -1))
    assert only(machine.limits).text == "unlimited open files, unlimited processes"


def test_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    small = os.statvfs_result((4096, 4096, 16384, 16384, 16384, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: small)
    found = only(machine.shared_memory)
    assert (found.status, "--shm-size" in found.todo) == (Status.WARNING, True)
    assert "0.1 of 0.1 GiB" in found.text


def test_a_clock_that_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(machine.clock).status is Status.OK
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert only(machine.clock).todo == "set the clock"
