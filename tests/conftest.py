"""What holds for all tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Linear algebra of our size is fastest on one core; numpy reads this when it is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A disk makes thousands of small durable writes slow, and no test can take its power away.
_MEMORY = Path("/dev/shm")
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from tests.nursery import Nursery  # noqa: E402

MOST_WORKERS = 8

# A shell ignores these for what it starts in the background, and so would all that tests start.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        _is_int = _number == signal.SIGINT
        signal.signal(_number, signal.default_int_handler if _is_int else signal.SIG_DFL)

# No test depends on how fast the machine is.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # beside other work
)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One nursery for all tests of a process."""
    with contextlib.closing(Nursery()) as made:
        yield made


MEASURED_RUNNER = """
import sys; sys.path[:] = {path!r}; import coverage
coverage.Coverage({data!r}, auto_data=True, data_suffix=True, config_file={config!r}).start()
sys.path.insert(0, sys.argv[2])
from autofinetune.runner.main import main
raise SystemExit(main(sys.argv[1], *map(int, sys.argv[3:])))
"""
# In place of the folder that makes a Python a server of forks. They end without Python's help, and
# may be killed while they do: a file of data is whole or not there.
MEASURED_BOOT = """
import atexit, coverage, os, sys
here = os.path.dirname(os.path.abspath(__file__))  # hides the machine's own, as the real one does
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
measured = coverage.Coverage({data!r} + "-part", data_suffix=True, config_file={config!r})
measured.start()
end = os._exit
def save():
    measured.stop()
    measured.save()
    part = measured.get_data().data_filename()
    os.rename(part, part.replace("-part.", "."))
def save_and_end(code):
    save()
    end(code)
os._exit = save_and_end
atexit.register(save)
with open({boot!r}) as file:
    code = file.read()  # a trial closes what was open before it
__file__ = {boot!r}
exec(compile(code, {boot!r}, "exec"))
"""


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Where coverage is measured, it is measured in the runners too."""
    measuring = sys.modules["coverage"].Coverage.current() if "coverage" in sys.modules else None
    if measuring is None:
        return
    from autofinetune.executors.files import hand_over
    from autofinetune.executors.local import start

    data = Path(measuring.get_option("run:data_file")).absolute()
    places = {
        "path": sys.path,
        "data": str(data),
        "config": str(session.config.rootpath / "pyproject.toml"),
        "boot": str(Path(hand_over.BOOT, "sitecustomize.py")),
    }
    start.START_RUNNER = (*start.START_RUNNER[:-1], MEASURED_RUNNER.format(**places))
    hand_over.BOOT = tempfile.mkdtemp()
    session.config.add_cleanup(lambda: _clean_up(Path(hand_over.BOOT), data))
    Path(hand_over.BOOT, "sitecustomize.py").write_text(MEASURED_BOOT.format(**places))


def _clean_up(boot: Path, data: Path) -> None:
    """Remove what made others measured, and what they had no time to finish."""
    shutil.rmtree(boot)
    for path in data.parent.glob(f"{data.name}-part.*"):
        path.unlink(missing_ok=True)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """More than processors: many tests wait for processes and for the disk."""
    return min(2 * len(os.sched_getaffinity(0)), MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
