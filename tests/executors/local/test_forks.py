"""The server of forks: when it serves, when it declines, and how it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.slot import Slot
from autofinetune.executors import Attempt, Imports, JobState, LocalSlot
from autofinetune.executors.local import forks
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.local.forks import ForkServer, common_environment
from autofinetune.runner.files import EXIT, STARTED
from autofinetune.runner.processes import descendants, identity, is_alive, marked
from tests.forking import SCRIPT, attempt_of, ready_server, run, server, until_over, wait_until

HOLD = (
    "import os, time\nprint('ready', flush=True)\n"
    "while not os.path.exists('go'): time.sleep(0.005)"
)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of modules, neither beside the script nor in the package folders."""
    folder = tmp_path / "library"
    folder.mkdir()
    before = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *before]))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of a script that executes its argument."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / SCRIPT).write_text("import sys; exec(sys.argv.pop(1))")
    return folder


def log_of(attempt: Attempt) -> str:
    return Path(attempt.log).read_text()


def was_forked(attempt: Attempt) -> bool:
    """Whether a finished trial found modules imported by the server."""
    return log_of(attempt).strip().endswith("True")


IS_FORK = "import sys; print('autofinetune.preload.server' in sys.modules)"


# --- when it serves -----------------------------------------------------------------------------


def test_the_runner_is_a_fork_and_nothing_of_it_is_left(root: Path) -> None:
    with ready_server(root) as made:
        assert made.pid is not None
        for number in range(3):
            attempt = attempt_of(root, IS_FORK, name=str(number))
            assert run(attempt, made).state is JobState.EXITED
            assert was_forked(attempt)
        # A zombie has no start time: only the spare runner is left.
        wait_until(lambda: len(children_of(made.pid)) == 1)


def children_of(pid: int | None) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize(
    "other",
    [
        {"argv": (sys.executable, "other.py", IS_FORK)},
        {"argv": (shutil.which("python3", path="/usr/bin:/bin"), SCRIPT, IS_FORK)},
        {"working_dir": "/"},
    ],
    ids=["script", "python", "directory"],
)
def test_what_it_has_not_imported_for_starts_the_ordinary_way(
    root: Path, other: dict[str, Any]
) -> None:
    (root / "other.py").write_text((root / SCRIPT).read_text())
    (Path(other.get("working_dir", root)) / SCRIPT).exists()
    with ready_server(root) as made:
        attempt = attempt_of(root, IS_FORK, **other)
        assert run(attempt, made).state is JobState.EXITED
        assert not was_forked(attempt)


def test_a_variable_of_its_own_that_is_read_early_starts_it_the_ordinary_way(root: Path) -> None:
    notices: list[str] = []
    with server(root, notices=notices) as made:
        for number in range(2):
            env = {"OMP_NUM_THREADS": "7", "AUTOFINETUNE_TRIAL": "1"}
            attempt = attempt_of(root, IS_FORK, name=str(number), env=env)
            run(attempt, made)
            assert not was_forked(attempt)
        assert notices[1:] == [
            "preload: trials with a different OMP_NUM_THREADS do their own imports"
        ]
        attempt = attempt_of(root, IS_FORK, name="common")
        run(attempt, made)
        assert was_forked(attempt)


def test_what_all_slots_have_in_common_is_no_variable_of_ones_own() -> None:
    environ = {"PATH": "/bin", "OMP_NUM_THREADS": "9"}
    slots = [{"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": str(n)} for n in range(2)]
    assert common_environment(environ, slots) == {"PATH": "/bin", "OMP_NUM_THREADS": "2"}
    assert common_environment(environ, []) == environ


def test_trials_do_not_wait_for_a_slow_import(root: Path, library: Path) -> None:
    (library / "slow.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(root / 'go')!r}): time.sleep(0.005)"
    )
    notices: list[str] = []
    imports = Imports(sys.executable, SCRIPT, str(root), ("slow",))
    with contextlib.closing(ForkServer(imports, os.environ, notices.append)) as made:
        first, second = (attempt_of(root, IS_FORK, name=str(number)) for number in range(2))
        assert run(first, made).state is JobState.EXITED
        assert not was_forked(first)
        assert notices == []
        (root / "go").touch()
        wait_until(made.is_ready)
        run(second, made)
        assert was_forked(second)
    assert len(notices) == 1
    assert notices[0].startswith("preload: slow imported in ")


def test_what_imports_print_and_handle_is_so_in_every_trial(root: Path, library: Path) -> None:
    (library / "loud.py").write_text(
        "import signal, sys\nprint('to output')\nprint('to errors', file=sys.stderr)\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled', flush=True))\n"
        "null = open('/dev/null', 'w')"
    )
    code = (
        "import os, signal, loud; os.kill(os.getpid(), signal.SIGTERM); "
        "print(loud.null.fileno() > 2, os.fstat(loud.null.fileno()).st_rdev > 0)"
    )
    with ready_server(root, "loud") as made:
        for name in ("one", "two"):
            attempt = attempt_of(root, code, name=name)
            run(attempt, made)
            log = log_of(attempt)
            assert sorted(log.splitlines()[:2]) == ["to errors", "to output"]
            assert log.splitlines()[2:] == ["handled", "True True"]


def test_a_variable_that_the_script_sets_holds_for_the_imports_only(
    root: Path, library: Path
) -> None:
    (library / "reads.py").write_text(
        "import os\nseen = [os.environ[n] for n in ('SET_HERE', 'HOME', 'DEFAULT')]\n"
        "os.environ['FROM_IMPORT'] = '1'"
    )
    code = (
        "import os, reads; print(reads.seen, 'SET_HERE' in os.environ, os.environ['HOME'], "
        "'DEFAULT' in os.environ, os.environ['FROM_IMPORT'])"
    )
    home = os.environ["HOME"]
    steps = ("SET_HERE=a=b", "HOME=elsewhere", "HOME?=never", "DEFAULT?=c", "reads")
    with ready_server(root, *steps) as made:
        attempt = attempt_of(root, code)
        run(attempt, made)
        assert log_of(attempt) == f"['a=b', 'elsewhere', 'c'] False {home} False 1\n"


def test_steps_name_modules_and_what_is_in_them(root: Path, library: Path) -> None:
    (library / "package").mkdir()
    (library / "package/__init__.py").write_text(
        "def __getattr__(name):\n    raise AttributeError"
    )
    (library / "package/inner.py").write_text("")
    (library / "package/other.py").write_text("value = 1")
    code = "import sys; print(sorted(n for n in sys.modules if n.startswith('package')))"
    steps = ("package:inner", "package.other:value", "not_there?", "package:neither?")
    with ready_server(root, *steps) as made:
        attempt = attempt_of(root, code)
        run(attempt, made)
        assert log_of(attempt) == "['package', 'package.inner', 'package.other']\n"


def test_the_machines_own_customization_is_kept(root: Path, library: Path) -> None:
    (library / "sitecustomize.py").write_text(
        "import sys\nsys.custom = [*getattr(sys, 'custom', []), __file__]"
    )
    code = "import sys, sitecustomize; print(sys.custom == [sitecustomize.__file__])"
    with ready_server(root) as made:
        for name, one in (("ordinary", None), ("forked", made)):
            attempt = attempt_of(root, code, name=name)
            run(attempt, one)
            assert log_of(attempt) == "True\n"


def test_the_folder_of_the_script_is_there_for_imports_as_python_wants_it(
    root: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (library / "looks.py").write_text(
        "import sys, __main__\nseen = [sys.path[0], sys.argv, __main__.__file__]"
    )
    code = "import looks; print(looks.seen)"
    for is_safe in (False, True):
        if is_safe:
            monkeypatch.setenv("PYTHONSAFEPATH", "1")
        with ready_server(root, "looks") as made:
            attempt = attempt_of(root, code, name=str(is_safe))
            run(attempt, made)
            is_honoured = is_safe and sys.version_info >= (3, 11)
            first = library if is_honoured else root
            expected = [str(first), [SCRIPT], str(root / SCRIPT)]
            assert log_of(attempt) == f"{expected}\n"


def test_every_trial_has_random_numbers_of_its_own(root: Path) -> None:
    code = (
        "import random, numpy; "
        "print(random.random(), numpy.random.rand(), numpy.random.default_rng().random())"
    )
    numbers: set[str] = set()
    with ready_server(root, "random", "numpy") as made:
        for name in ("one", "two"):
            attempt = attempt_of(root, code, name=name)
            run(attempt, made)
            numbers.update(log_of(attempt).split())
    assert len(numbers) == 6


def test_what_does_not_fit_is_left_out_of_what_others_see(root: Path) -> None:
    code = (
        "import os; seen = open('/proc/self/environ').read().split(chr(0)); "
        "print(len(os.environ['AUTOFINETUNE_LONG']), any('_LONG=' in s for s in seen), "
        "'AUTOFINETUNE_MARK=' + os.environ['AUTOFINETUNE_MARK'] in seen, "
        "len(open('/proc/self/cmdline').read()) > 4000)"
    )
    with ready_server(root) as made:
        attempt = attempt_of(root, code, "x" * 20_000, env={"AUTOFINETUNE_LONG": "y" * 20_000})
        run(attempt, made)
        assert log_of(attempt) == "20000 False True True\n"


def test_ranks_are_forks_each_with_an_environment_of_its_own(root: Path) -> None:
    code = (
        "import os, sys; seen = open('/proc/self/environ').read().split(chr(0)); "
        "rank = os.environ['RANK']; fds = sorted(map(int, os.listdir('/proc/self/fd')))[:-1]; "
        "print(rank, 'autofinetune.preload.server' in sys.modules, 'RANK=' + rank in seen, "
        "'AUTOFINETUNE_MARK=' + os.environ['AUTOFINETUNE_MARK'] in seen, "
        "os.environ['WORLD_SIZE'], os.getsid(0) == os.getpid(), len(fds))"
    )
    slots = [LocalSlot(Slot("a"), ranks=2)]
    with (
        ready_server(root, slots=slots) as made,
        contextlib.closing(LocalExecutor(slots, dict(os.environ), forks=made)) as executor,
    ):
        attempt = attempt_of(root, code)
        executor.submit(attempt)
        assert until_over(executor).state is JobState.EXITED
    lines = [f"{rank} True True True 2 True 4" for rank in range(2)]  # 0, 1, 2 and the lock
    assert sorted(log_of(attempt).splitlines()) == sorted([lines[0], f"[rank 1] {lines[1]}"])


def test_libraries_behave_as_in_a_script(root: Path) -> None:
    code = (
        "import sys, numpy as np, sklearn.linear_model as l; x = np.arange(20.).reshape(10, 2); "
        "l.Ridge().fit(x, x @ [1., 2.]); print('autofinetune.runner' in sys.modules)"
    )
    with ready_server(root, "sklearn.linear_model:Ridge", "numpy") as made:
        attempt = attempt_of(root, code)
        run(attempt, made)
        assert log_of(attempt) == "True\n"


def test_torch_draws_its_first_seed_anew(root: Path) -> None:
    pytest.importorskip("torch")
    code = (
        "import torch; print(torch.initial_seed(), torch.rand(1).item(), "
        "torch.manual_seed(1).initial_seed(), torch.Generator().initial_seed(), torch.rand(1))"
    )
    with ready_server(root, "torch") as made:
        found = []
        for name, one in (("ordinary", None), ("one", made), ("two", made)):
            attempt = attempt_of(root, code, name=name)
            run(attempt, one)
            found.append(log_of(attempt).split(maxsplit=2))
    seeds, numbers, rest = ({words[place] for words in found} for place in range(3))
    assert (len(seeds), len(numbers), len(rest)) == (3, 3, 1), found


@pytest.mark.parametrize(
    ("late", "is_loaded"),
    [
        ("", True), ("file = open(__file__)", False), ("raise ValueError", False),
        ("import os; os.kill(os.getpid(), 9)", False),
    ],
)  # fmt: skip
def test_what_a_package_imports_late_is_imported_if_it_does_no_harm(
    root: Path, library: Path, late: str, is_loaded: bool
) -> None:
    """Optimizers of torch import torch._dynamo."""
    package = library / "torch"
    package.mkdir()
    (package / "__init__.py").write_text(
        "class default_generator:\n    seed = staticmethod(lambda: None)\n"
    )
    (package / "_dynamo.py").write_text(late)
    with ready_server(root, "torch") as made:
        code = "import sys; print('torch._dynamo' in sys.modules, 'torch' in sys.modules)"
        attempt = attempt_of(root, code)
        run(attempt, made)
        assert log_of(attempt).split() == [str(is_loaded), "True"]


# --- when it declines ---------------------------------------------------------------------------

UNSAFE = {
    "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), name='Helper',"
    " daemon=True).start()": "the imports started a thread (Helper)",
    "import _thread, time\n_thread.start_new_thread(time.sleep, (99,))": (
        "the imports started threads (1) that do not stop for a fork"
    ),
    "import ctypes\nlibc = ctypes.CDLL(None)\nthread = ctypes.c_ulong()\n"
    "libc.pthread_create(ctypes.byref(thread), None, libc.pause, None)": (
        "the imports started threads (1) that do not stop for a fork"
    ),
    "import socket\nlistener = socket.socket()\nlistener.listen()": "the imports keep socket:",
    "file = open(__file__)": "unsafe.py open",
    "import subprocess\nchild = subprocess.Popen(['sleep', '99'])": (
        "the imports started a process"
    ),
    "import neighbour": "the imports load neighbour, which lies beside the script",
    "import sys\nsys.modules['colorsys'] = sys": (
        "colorsys.py lies beside the script and has the name of a loaded module"
    ),
    "import neighbours": "the imports load neighbours, which lies beside the script",
    "raise ValueError('why')": "unsafe cannot be imported (ValueError: why)",
    "raise SystemExit(3)": "unsafe cannot be imported (SystemExit: 3)",
    "def f(:": "unsafe cannot be imported (SyntaxError: ",
    "import not_there": "unsafe cannot be imported (ModuleNotFoundError: ",
    "import os\nos._exit(0)": "the preload process died without output",
}


def test_what_unsafe_imports_started_is_ended(root: Path, library: Path) -> None:
    (library / "unsafe.py").write_text(
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '99'], start_new_session=True)\n"
        f"open({str(root / 'pid')!r}, 'w').write(str(child.pid))\n"
    )
    with server(root, ["unsafe"], notices=[]) as made:
        assert made.pid is None
    wait_until(lambda: not Path("/proc", (root / "pid").read_text()).exists())


@pytest.mark.parametrize("code", UNSAFE, ids=range(len(UNSAFE)))
def test_imports_that_make_forks_unsafe_are_told(root: Path, library: Path, code: str) -> None:
    (root / "neighbour.py").write_text("")
    (root / "neighbours").mkdir()
    (root / "neighbours/__init__.py").write_text("")
    (root / "colorsys.py").write_text("")  # which is not loaded yet
    (library / "unsafe.py").write_text(code)
    notices: list[str] = []
    with server(root, ["unsafe"], notices=notices) as made:
        assert len(notices) == 1
        assert notices[0].startswith("preload is off, every trial does its own imports: ")
        assert UNSAFE[code] in notices[0]
        assert made.pid is None
        wait_until(lambda: not list(running_from(library)))
        attempt = attempt_of(root, IS_FORK)
        assert run(attempt, made).state is JobState.EXITED
        assert not was_forked(attempt)
    assert len(notices) == 1


def test_one_that_cannot_serve_ends_by_itself(root: Path) -> None:
    notices: list[str] = []
    imports = Imports(sys.executable, SCRIPT, str(root), ("not_there",))
    with contextlib.closing(ForkServer(imports, os.environ, notices.append)) as made:
        assert made._process is not None
        assert made._process.wait(60) == 0
        assert not made.is_ready()
    assert "not_there cannot be imported" in notices[0]


@pytest.mark.parametrize(
    "code", ["def is_initialized(): return True", "def _is_in_bad_fork(): return True", ""]
)
def test_cuda_must_not_have_begun(root: Path, library: Path, code: str) -> None:
    (library / "torch").mkdir()
    (library / "torch/__init__.py").write_text("from . import cuda")
    (library / "torch/cuda.py").write_text(f"def is_initialized(): return False\n{code}")
    notices: list[str] = []
    with server(root, ["torch"], notices=notices) as made:
        assert made.is_ready() == (code == "")
        assert ("the imports initialised CUDA" in notices[0]) == (code != "")


def test_a_python_that_cannot_be_started_is_told(root: Path) -> None:
    notices: list[str] = []
    imports = Imports("/no/such/python", SCRIPT, str(root), ("json",))
    with contextlib.closing(ForkServer(imports, os.environ, notices.append)) as made:
        assert not made.is_ready()
    assert len(notices) == 1
    assert "No such file" in notices[0]


def test_a_python_that_cannot_begin_is_told(root: Path) -> None:
    notices: list[str] = []
    with server(root, environ={"PYTHONHOME": "/nowhere"}, notices=notices) as made:
        assert not made.is_ready()
    assert len(notices) == 1
    assert "the preload process died (" in notices[0]


def test_a_failing_customization_is_told(root: Path, library: Path) -> None:
    (library / "sitecustomize.py").write_text("1 / 0")
    notices: list[str] = []
    with server(root, notices=notices):
        assert "sitecustomize cannot be imported (ZeroDivisionError" in notices[0]


def test_a_broken_answer_is_told(root: Path, library: Path) -> None:
    (library / "slow.py").write_text("import time\ntime.sleep(99)")
    notices: list[str] = []
    imports = Imports(sys.executable, SCRIPT, str(root), ("slow",))
    with contextlib.closing(ForkServer(imports, os.environ, notices.append)) as made:
        assert made.pid is not None
        assert not made.is_ready()
        made._socket.send(b"nobody reads this")
        os.kill(made.pid, signal.SIGKILL)
        wait_until(lambda: not made.is_ready() and bool(notices))
    assert len(notices) == 1
    assert "preload is off" in notices[0]


# --- a machine without resources ----------------------------------------------------------------


def test_a_fork_that_the_machine_refuses_may_be_tried_again(root: Path, library: Path) -> None:
    (library / "crowded.py").write_text(
        "import os\nfork, calls = os.fork, []\ndef refuse_once():\n    calls.append(1)\n"
        "    if len(calls) == 2: raise OSError(11, 'no room')\n    return fork()\n"
        "os.fork = refuse_once"
    )
    with ready_server(root, "crowded") as made:
        attempt = attempt_of(root, IS_FORK)
        with pytest.raises(OSError, match="unavailable") as caught:
            run(attempt, made)
        assert caught.value.errno == errno.EAGAIN
        assert run(attempt, made).state is JobState.EXITED
        assert was_forked(attempt)


def test_descriptors_that_a_runner_cannot_take_are_told(root: Path, library: Path) -> None:
    (library / "narrow.py").write_text(
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (40, 4096))"
    )
    attempt = attempt_of(root, IS_FORK)
    with ready_server(root, "narrow") as made, Path(os.devnull).open() as null:
        with pytest.raises(OSError, match="open files"):
            made.start(attempt, os.environ, [null.fileno()] * 60, has_lifeline=False)
        run(attempt, made)
        assert was_forked(attempt)


# --- how it ends --------------------------------------------------------------------------------


def test_a_server_that_is_killed_leaves_its_trials_and_ordinary_starts(root: Path) -> None:
    notices: list[str] = []
    with server(root, notices=notices) as made:
        executor = LocalExecutor([LocalSlot(Slot("a"))], dict(os.environ), forks=made)
        running = attempt_of(root, HOLD, name="running")
        executor.submit(running)
        wait_until(lambda: Path(running.log).exists() and "ready" in log_of(running))
        assert made.pid is not None
        waiting = [identity(pid) for pid in descendants(made.pid) if not marked_pid(running, pid)]
        os.kill(made.pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(who) for who in waiting))
        for number in range(2):
            attempt = attempt_of(root, IS_FORK, name=str(number), trial=number + 1)
            executor.submit(attempt)
            until_over(executor)
            assert not was_forked(attempt)
        assert len(notices) == 2
        assert "preload is off, every trial does its own imports: " in notices[1]
        (root / "go").touch()
        news = until_over(executor)
        assert (news.state, news.exit is not None) == (JobState.EXITED, True)
        executor.close()


def running_from(folder: Path) -> Iterator[str]:
    """Return other processes that import modules from this folder."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                yield path.parent.name


def marked_pid(attempt: Attempt, pid: int) -> bool:
    return pid in marked(f"{attempt.run}/{attempt.trial}/{attempt.attempt}")


def test_a_server_that_does_not_answer_is_left(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "ANSWER_PATIENCE_S", 0.05)
    notices: list[str] = []
    with server(root, notices=notices) as made:
        assert made.pid is not None
        wait_until(lambda: len(children_of(made.pid)) == 1)
        (waiting,) = children_of(made.pid)
        os.kill(int(waiting), signal.SIGSTOP)
        attempt = attempt_of(root, IS_FORK)
        assert run(attempt, made).state is JobState.EXITED
        assert not was_forked(attempt)
        assert made.pid is None
    assert "the process does not answer (timed out)" in notices[1]


def test_it_ends_when_the_other_end_of_its_socket_closes(root: Path) -> None:
    with server(root) as made:
        run(attempt_of(root, IS_FORK), made)
        process = made._process
        assert process is not None
        made._socket.close()
        assert process.wait(60) == 0


def test_it_ends_when_nobody_is_there_after_the_imports(root: Path, library: Path) -> None:
    go = root / "go"
    (library / "slow.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.005)"
    )
    imports = Imports(sys.executable, SCRIPT, str(root), ("slow",))
    with contextlib.closing(ForkServer(imports, os.environ, print)) as made:
        process = made._process
        assert process is not None
        made._socket.close()
        go.touch()
        assert process.wait(60) == 0


def test_one_that_hangs_inside_the_kernel_is_left_behind(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(root) as made:
        process = made._process
        assert process is not None
        wait = process.wait

        def hang(timeout: float | None = None) -> int:
            raise subprocess.TimeoutExpired("python", timeout or 0)

        monkeypatch.setattr(process, "wait", hang)
        made.close()
        assert process.returncode == 0
        process.returncode = None
        wait()


def test_a_runner_that_fails_says_so_in_its_log(root: Path) -> None:
    attempt = attempt_of(root, IS_FORK)
    Path(attempt.directory).mkdir()  # without a spec.json
    log = root / "runner.log"
    with ready_server(root) as made, log.open("w") as file:
        who = made.start(attempt, os.environ, [file.fileno()], has_lifeline=False)
        assert who is not None
        wait_until(lambda: not is_alive(who))
    assert "FileNotFoundError" in log.read_text()


TUNER = """
import os, sys
from tests.forking import *
from pathlib import Path
root = Path(sys.argv[1])
with ready_server(root) as forks:
    executor = LocalExecutor([LocalSlot(Slot("a"))], dict(os.environ), forks=forks)
    executor.submit(attempt_of(root, sys.argv[2], run=sys.argv[3]))
    print(forks.pid, flush=True)
    executor.poll(999)
"""


def run_in(root: Path) -> str:
    """Return the name of a run that no other test on this machine has at the same time."""
    return str(root).replace("/", "-")


@pytest.fixture
def killed_tuner(root: Path) -> Iterator[int]:
    """A tuner that was killed while its trial was running; yields the pid of its server."""
    command = [sys.executable, "-c", TUNER, str(root), HOLD, run_in(root)]
    tuner = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert tuner.stdout is not None
    server_pid = int(tuner.stdout.readline())
    log = root / "attempt.log"
    wait_until(lambda: log.exists() and "ready" in log.read_text())
    tuner.kill()
    tuner.wait()
    tuner.stdout.close()
    yield server_pid
    (root / "go").touch()


def test_it_ends_with_its_tuner_and_its_trials_go_on(root: Path, killed_tuner: int) -> None:
    wait_until(lambda: not Path(f"/proc/{killed_tuner}").exists())
    attempt = attempt_of(root, HOLD, run=run_in(root))
    assert len(marked(f"{run_in(root)}/0/1")) == 2  # the runner and the trial
    with contextlib.closing(LocalExecutor([LocalSlot(Slot("a"))], dict(os.environ))) as executor:
        executor.submit(attempt)
        assert executor.poll(0.0) == []
        assert not (Path(attempt.directory) / EXIT).exists()
        (root / "go").touch()
        news = until_over(executor)
    assert news.exit is not None
    assert (news.exit.why, news.exit.returncode) == ("exit", 0)
    assert log_of(attempt) == "ready\n"
    assert (Path(attempt.directory) / STARTED).exists()
