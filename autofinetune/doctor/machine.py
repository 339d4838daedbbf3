"""Checks Python, its packages, the kernel, cores, memory and limits."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from autofinetune.doctor.finding import Finding, problem, warning
from autofinetune.runner.cgroup import own_groups
from autofinetune.version import PACKAGE_PARENT
from autofinetune.visible import counted

_PACKAGE = "autofinetune"
_NEEDED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*>=\s*([0-9.]+)\s*(;.*extra.*)?$")
_LOW_MEMORY = 2 << 30
_LOW_SHARED = 1 << 30
_FEW_FILES = 1024
_FEW_PROCESSES = 1024


def python() -> Iterator[Finding]:
    """Check the version of Python against the tested ones."""
    version = platform.python_version()
    mark = "Programming Language :: Python :: 3."
    classifiers = importlib.metadata.metadata(_PACKAGE).get_all("Classifier") or []
    tested = [one.rpartition(" ")[2] for one in classifiers if one.startswith(mark)]
    shown = f"{version} ({sys.executable})"
    if ".".join(version.split(".")[:2]) in tested:
        yield Finding("python", shown)
    else:
        span = f"{tested[0]} to {tested[-1]}" if tested else "none"
        yield warning("python", f"{shown}; tested are {span}", "use one of these")


def environment() -> Iterator[Finding]:
    """Check whether packages are in an environment of their own."""
    conda = os.environ.get("CONDA_PREFIX", "")
    if sys.prefix != sys.base_prefix:
        yield Finding("environment", f"virtual environment {sys.prefix}")
    elif conda and sys.prefix.startswith(conda):
        yield Finding("environment", f"conda environment {conda}")
    elif Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        yield Finding("environment", "a container")
    else:
        yield warning(
            "environment",
            f"the packages of the whole system in {sys.prefix}",
            "python3 -m venv .venv && . .venv/bin/activate, then install autofinetune there",
        )


def packages() -> Iterator[Finding]:
    """Check the versions of the packages that autofinetune uses."""
    found, count = False, 0
    for line in importlib.metadata.requires(_PACKAGE) or ():
        needed = _NEEDED.match(line)
        if needed is None:
            continue
        name, least, is_extra = needed[1], needed[2], bool(needed[3])
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if not is_extra:
                found = True
                yield problem(
                    "packages", f"{name} is not installed", f"pip install '{name}>={least}'"
                )
            continue
        count += 1
        if numbers(version) < numbers(least):
            found = True
            text = f"{name} {version} is older than {least}, the oldest that was tested"
            tell = warning if is_extra else problem
            yield tell("packages", text, f"pip install --upgrade '{name}>={least}'")
    if not found:
        yield Finding("packages", f"the versions of {counted(count, 'package')} are tested ones")


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers at the start of a version."""
    return tuple(int(part) for part in re.match(r"[0-9.]*", version)[0].split(".") if part)  # type: ignore[index]


def kernel() -> Iterator[Finding]:
    """Check that processes can be followed without races."""
    name = f"{platform.system()} {platform.release()}"
    todo = "use Linux 5.3 or newer"
    if not Path("/proc/self/stat").exists():
        yield problem("kernel", f"{name}: /proc is not mounted", "mount -t proc proc /proc")
        return
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError) as error:
        yield problem("kernel", f"{name} has no pidfds ({error})", todo)
        return
    yield Finding("kernel", name)


def cores() -> Iterator[Finding]:
    """Check how many cores trials can use."""
    ours, all_cores, quota = len(os.sched_getaffinity(0)), os.cpu_count() or 1, cpu_quota()
    text = f"{ours} of {all_cores}"
    if quota is not None and quota < ours:
        yield warning(
            "cores",
            f"{text}, but the control group allows the time of {quota:.3g} only",
            f"give at most {max(1, int(quota))} CPU slots (--gpu=cpu:{max(1, int(quota))}), or "
            "raise the limit (docker run --cpus=N)",
        )
    else:
        yield Finding("cores", text)


def cpu_quota() -> float | None:
    """Return the cores whose time our control group may use, or None for all."""
    found = []
    for group in own_groups():
        for folder in _upwards(group):
            words = _word(folder / "cpu.max").split()
            if len(words) == 2 and words[0].isdigit():
                found.append(int(words[0]) / int(words[1]))
    for folder in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpu,cpuacct")):
        quota, period = _word(folder / "cpu.cfs_quota_us"), _word(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            found.append(int(quota) / int(period))
    return min(found, default=None)


def memory() -> Iterator[Finding]:
    """Check the free memory, of the machine and of our control group."""
    available = _available_bytes()
    limit = memory_limit()
    text = f"{_gib(available)} GiB available"
    if limit is not None and limit[0] - limit[1] < available:
        available = limit[0] - limit[1]
        text = f"{_gib(available)} GiB left of the {_gib(limit[0])} GiB of the control group"
    if available < _LOW_MEMORY:
        yield warning(
            "memory", text, "trials may be killed; run fewer at once with --max_parallel"
        )
    else:
        yield Finding("memory", text)


def memory_limit() -> tuple[int, int] | None:
    """Return the limit of our control group and what it uses, in bytes; None without a limit."""
    found = []
    for group in own_groups():
        for folder in _upwards(group):
            for most, used in (
                ("memory.max", "memory.current"),
                ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            ):
                limit, current = _word(folder / most), _word(folder / used)
                if limit.isdigit() and current.isdigit() and int(limit) < 1 << 60:
                    found.append((int(limit), int(current)))
    return min(found, key=lambda pair: pair[0] - pair[1], default=None)


def _upwards(group: str) -> Iterator[Path]:
    folder = Path(group)
    while folder != folder.parent and (folder / "cgroup.procs").exists():
        yield folder
        folder = folder.parent


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _available_bytes() -> int:
    for line in _word(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def shared_memory() -> Iterator[Finding]:
    """Check /dev/shm, through which data loaders pass batches."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError as error:
        yield warning("shm", f"/dev/shm: {error.strerror}", "mount -t tmpfs tmpfs /dev/shm")
        return
    size, free = found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail
    text = f"/dev/shm has {_gib(free)} of {_gib(size)} GiB free"
    if free < _LOW_SHARED:
        yield warning(
            "shm",
            f"{text}; data loaders with workers crash when it is full (Bus error)",
            "docker run --shm-size=8g, or fewer workers in the script",
        )
    else:
        yield Finding("shm", text)


def limits() -> Iterator[Finding]:
    """Check how many files and processes are allowed."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    text = f"{_shown(files)} open files, {_shown(processes)} processes"
    todo = [
        f"ulimit -n {_FEW_FILES}" if 0 <= files < _FEW_FILES else "",
        f"ulimit -u {4 * _FEW_PROCESSES}" if 0 <= processes < _FEW_PROCESSES else "",
    ]
    if any(todo):
        yield warning("limits", text, "; ".join(filter(None, todo)))
    else:
        yield Finding("limits", text)


def _shown(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)


def clock() -> Iterator[Finding]:
    """Check that the clock is not behind the files of this package."""
    now, newest = time.time(), Path(PACKAGE_PARENT, _PACKAGE, "version.py").stat().st_mtime
    text = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now))
    if now < newest - 60:
        yield warning("clock", f"{text} is before this package was installed", "set the clock")
    else:
        yield Finding("clock", text)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f}"
