"""Each obstacle to a fork; whole servers are in tests/executors/local/test_forks.py."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from autofinetune.preload import forksafe


def test_threads_are_named() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="Helper of mine")
    thread.start()
    try:
        assert "Helper of mine" in forksafe._python_threads()
    finally:
        end.set()
        thread.join()


def test_open_files_and_sockets_are_named_and_quiet_devices_are_not(tmp_path: Path) -> None:
    known = forksafe.descriptors()
    quiet = os.open(os.devnull, os.O_RDONLY)
    assert forksafe.descriptors() - known == {quiet}
    assert forksafe._descriptors(known) == ""
    file = os.open(tmp_path, os.O_RDONLY)
    assert forksafe._descriptors(known) == f"the imports keep {tmp_path} open"
    os.close(file)
    os.close(quiet)


def test_an_open_card_is_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    known = forksafe.descriptors()
    quiet = os.open(os.devnull, os.O_RDONLY)
    monkeypatch.setattr(os, "readlink", lambda path: "/dev/nvidiactl")
    assert forksafe._descriptors(known) == "the imports initialised CUDA"
    os.close(quiet)


def test_a_child_is_noticed() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    try:
        assert forksafe._children() == "the imports started a process"
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("file", ["mine.py", "mine/__init__.py", "mine.so"])
def test_modules_beside_the_script_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    assert forksafe._local_modules(str(tmp_path)) == ""
    module = ModuleType("mine")
    module.__file__ = str(tmp_path / file)
    monkeypatch.setitem(sys.modules, "mine", module)
    monkeypatch.setitem(sys.modules, "mine.inner", module)
    assert "mine, which lies beside" in forksafe._local_modules(str(tmp_path))
    assert forksafe._local_modules(str(tmp_path.parent)) == ""


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_shows_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forksafe, "_PATIENCE_S", 0.02)
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert "that do not stop for a fork" in forksafe._fork_once()
        monkeypatch.setattr(forksafe, "_is_cuda_spoilt", lambda: True)
        assert forksafe._fork_once() == "the imports initialised CUDA"
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(
    ("cuda", "is_spoilt"),
    [
        (None, False),
        (SimpleNamespace(is_initialized=lambda: False), False),
        (SimpleNamespace(is_initialized=lambda: True), True),
        (SimpleNamespace(is_initialized=lambda: False, _is_in_bad_fork=lambda: True), True),
    ],
)
def test_torch_tells_whether_cuda_has_begun(
    monkeypatch: pytest.MonkeyPatch, cuda: object, is_spoilt: bool
) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert forksafe._is_cuda_spoilt() is is_spoilt


def test_a_module_beside_the_script_that_another_one_hides(tmp_path: Path) -> None:
    folder = str(tmp_path)
    (tmp_path / "json.txt").write_text("")
    (tmp_path / "json.old.py").write_text("")
    (tmp_path / "json").mkdir()
    (tmp_path / "unknown_to_all.py").write_text("")
    assert forksafe._hidden_modules(folder, set()) == ""
    (tmp_path / "json.py").write_text("")
    why = "json.py lies beside the script and has the name of a loaded module"
    assert forksafe._hidden_modules(folder, set()) == why
    assert forksafe._hidden_modules(folder, {"json"}) == ""  # as for any script
    (tmp_path / "json.py").rename(tmp_path / "json" / "__init__.py")
    assert forksafe._hidden_modules(folder, set()).startswith("json lies beside the script")


def test_the_first_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "_python_threads",
        "_descriptors",
        "_children",
        "_local_modules",
        "_hidden_modules",
    ):
        monkeypatch.setattr(forksafe, name, lambda *args: "")
    monkeypatch.setattr(forksafe, "_fork_once", lambda: "last")
    assert forksafe.obstacle(set(), "", set()) == "last"
    monkeypatch.setattr(forksafe, "_children", lambda: "before")
    assert forksafe.obstacle(set(), "", set()) == "before"
