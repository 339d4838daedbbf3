"""What holds for all tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Linear algebra of our size is fastest on one core; numpy reads this when it is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A disk makes thousands of small durable writes slow, and no test can take its power away.
_MEMORY = Path("/dev/shm")
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from autofinetune.executors.ray.client import Client  # noqa: E402
from tests import measuring  # noqa: E402
from tests.nursery import Nursery  # noqa: E402

if TYPE_CHECKING:
    from tools.mini_ray import MiniRay
    from tools.mini_slurm import MiniSlurm

MOST_WORKERS = 8

# Each test decides for itself whether it shows colours and a live view.
for name in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
    os.environ.pop(name, None)

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


@pytest.fixture(scope="session")
def slurm() -> Iterator[MiniSlurm]:
    """One real cluster for all tests of a process that ask for it."""
    from tools import mini_slurm  # on use: an environment may have a `tools` of others

    why = mini_slurm.missing()
    if why:
        pytest.skip(why)
    with mini_slurm.mini_slurm() as made:
        yield made


@pytest.fixture(scope="session")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniRay]:
    """One real cluster for all tests of a process; its nodes see no directory of a test."""
    from tools import mini_ray

    why = mini_ray.missing()
    if why:
        pytest.skip(why)
    with mini_ray.mini_ray([tmp_path_factory.getbasetemp()]) as made:
        yield made


@pytest.fixture(scope="session")
def ray_client(ray: MiniRay) -> Iterator[Client]:
    """A bridge to that cluster."""
    with contextlib.closing(Client(str(ray.bridge), ray.address)) as client:
        client.connect()
        yield client


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Where coverage is measured, it is measured in processes of other kinds too."""
    measuring.begin(session)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """More than processors: many tests wait for processes and for the disk."""
    return min(2 * len(os.sched_getaffinity(0)), MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
