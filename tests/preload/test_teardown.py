"""Exits that spare imported modules the teardown, and memory in huge pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from autofinetune.preload import teardown
from tests import measuring

LIBRARY = """
import atexit, os

class Torn:
    def __del__(self, write=os.write):
        write(1, b"torn\\n")

class Ends:
    def __del__(self):
        print("ends", flush=True)

torn = Torn()
atexit.register(print, "at exit", flush=True)
"""
BEFORE = """
from autofinetune.preload.teardown import Teardown
teardown = Teardown()
import library, multiprocessing
library.itself = library
teardown.spare_imported()
del teardown
"""


# Its type has no hash.
ODD = "type('M', (type,), {'__eq__': lambda a, b: a is b})('Odd', (), {'__del__': print})()"


def run(tmp_path: Path, script: str, before: str = BEFORE) -> tuple[int, list[str]]:
    """Return the exit code and output of a script whose `library` may be spared."""
    done = python(tmp_path, before + script.replace("ODD", ODD))
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def python(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "library.py").write_text(LIBRARY)
    return subprocess.run(
        [sys.executable, "-c", measuring.to_the_end + code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("", []),
        ("import csv; made = object(); raise SystemExit(7)", []),
        ("with open('closed', 'w') as file: pass", []),
        ("made = library.Ends()", ["ends"]),
        ("library.main = __import__('__main__'); made = library.Ends()", ["ends", "torn"]),
        ("import gc; library.kept = library.Ends(); gc.freeze()", ["ends", "torn"]),
        ("library.kept = ODD", ["", "torn"]),
        ("def made(): pass\nmade.itself = made, library.Ends(); del made", ["ends"]),
        ("class A:\n  def f(self): pass\n  end = library.Ends()\na = A()", ["ends"]),
        ("library.kept = library.Ends()", ["ends", "torn"]),
        ("library.kept = [{1: library.Ends()}]", ["ends", "torn"]),
        ("library.kept = (n for n in [1]); next(library.kept)", ["torn"]),
        ("library.made = lambda: made; made = library.Ends()", ["ends", "torn"]),
        ("import sys; del sys.modules['library']", []),
        (
            "import sys\nsys.modules['library'] = made = type(sys)('library')\n"
            "made.end = library.Ends()",
            ["ends"],
        ),
    ],
)
def test_all_that_the_script_made_ends_and_its_imports_only_where_that_hangs_on_them(
    tmp_path: Path, script: str, lines: list[str]
) -> None:
    code, (first, *others) = run(tmp_path, script)
    assert code == (7 if "SystemExit" in script else 0)
    assert first == "at exit"
    assert sorted(others) == lines


def test_nothing_is_taken_apart_before_what_the_script_made_has_ended(tmp_path: Path) -> None:
    (tmp_path / "writer.py").write_text(
        "import os\nclass Writer:\n    def __del__(self):\n        os.write(1, b'written')\n"
    )
    script = "import writer\nheld = writer.Writer()\nlibrary.default = lambda: held"
    assert run(tmp_path, script) == (0, ["at exit", "writtentorn"])


def test_what_others_do_at_the_end_finds_all_modules(tmp_path: Path) -> None:
    before = "import atexit, os, sys; atexit.register(lambda: print('library' in sys.modules))\n"
    assert run(tmp_path, "", before + BEFORE) == (0, ["at exit", "True", "torn"])


@pytest.mark.parametrize("where", ["file", "library.file"])
def test_a_file_is_written(tmp_path: Path, where: str) -> None:
    run(tmp_path, f"{where} = open('out', 'w'); {where}.write('text')")
    assert (tmp_path / "out").read_text() == "text"


def test_types_of_nanobind_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "modules", {"sys": sys})
    assert not teardown._has_nanobind()
    module = ModuleType("made_with_nanobind")
    module.__dict__["Type"] = type("nb_type_0", (type,), {})("Type", (), {})
    monkeypatch.setattr(sys, "modules", {"sys": sys, "made_with_nanobind": module})
    assert teardown._has_nanobind()


# A library that says something once Python has given up all modules but `sys`.
COMPLAINS = """
import os, sys
class Complains:
    def __del__(self, write=os.write):
        write(2, b"leaks")
sys.complains = Complains()
"""
USES_NANOBIND = "library.Type = type('nb_type_0', (type,), {})('Type', (), {})"


@pytest.mark.parametrize(
    ("addition", "script", "said"),
    [
        ("", "", "leaks"),
        (USES_NANOBIND, "", ""),
        (USES_NANOBIND, "library.kept = library.Ends()", "leaks"),  # all modules are torn down
    ],
)
def test_what_nanobind_says_about_spared_modules_is_not_told(
    tmp_path: Path, addition: str, script: str, said: str
) -> None:
    before = BEFORE.replace("library.itself = library", addition)
    done = python(tmp_path, f"{COMPLAINS}{before}{script}")
    assert done.stderr == said


@pytest.mark.parametrize("has_stream", [True, False])
def test_errors_that_were_already_written_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_stream: bool
) -> None:
    """Also where Python was started without standard error, and C code uses it nevertheless."""
    kept = os.dup(2)
    with (tmp_path / "errors").open("w") as errors:
        os.dup2(errors.fileno(), 2)
        try:
            stream = os.fdopen(os.dup(2), "w") if has_stream else None
            monkeypatch.setattr(sys, "__stderr__", stream)
            if stream is not None:
                stream.write("buffered")
            teardown._hush()
            os.write(2, b"afterwards")
            written = (tmp_path / "errors").read_text()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    if stream is not None:
        stream.close()
    assert written == ("buffered" if has_stream else "")


# --- memory in huge pages ------------------------------------------------------------------------

GATHERING = """
import ctypes, mmap, os
from autofinetune.preload.teardown import gather
def huge_kib():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("AnonHugePages"))
size = 8 << 20
area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.write(bytes(range(256)) * (size // 256))
before = huge_kib()
gather()
print(huge_kib() - before)
pid = os.fork()
if pid == 0:
    area[:4] = b"fork"
    os._exit(0)
os.waitpid(pid, 0)
assert area[:] == bytes(range(256)) * (size // 256)
"""


def test_memory_is_gathered_and_stays_as_it_is() -> None:
    command = [sys.executable, "-c", GATHERING]
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
    teardown.gather(str(file))


def test_we_can_gather_our_own() -> None:
    kept = bytearray(b"x") * (5 << 20)
    teardown.gather()
    assert kept == b"x" * (5 << 20)
