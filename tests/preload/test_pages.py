"""Memory in huge pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.preload import pages

CODE = """
import ctypes, mmap, os
from autofinetune.preload import pages
def huge_kib():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("AnonHugePages"))
size = 8 << 20
area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.write(bytes(range(256)) * (size // 256))
before = huge_kib()
pages.gather()
print(huge_kib() - before)
pid = os.fork()
if pid == 0:
    area[:4] = b"fork"
    os._exit(0)
os.waitpid(pid, 0)
assert area[:] == bytes(range(256)) * (size // 256)
"""


def test_memory_is_gathered_and_stays_as_it_is() -> None:
    command = [sys.executable, "-c", CODE]
    env = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=env, capture_output=True, check=True)
    if done.stdout == b"0\n":
        pytest.skip("this kernel does not gather pages")
    assert int(done.stdout) >= 6 << 10


@pytest.mark.parametrize("content", [None, "", "never"])
def test_where_there_are_no_huge_pages_nothing_happens(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "size"
    if content is not None:
        file.write_text(content)
    pages.gather(str(file))


def test_we_can_gather_our_own() -> None:
    kept = bytearray(b"x") * (5 << 20)
    pages.gather()
    assert kept == b"x" * (5 << 20)
