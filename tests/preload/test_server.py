"""A forked trial looks like `python train.py` to itself and to others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.executors.local.forks import ForkServer
from tests.forking import SCRIPT, attempt_of, ready_server, run

# Everything that a script can query about itself and that does not change from run to run.
FACTS = """
import gc, inspect, json, locale, multiprocessing, os, resource, signal, sys, threading, time
import warnings, __main__

def stream(file):
    words = ("name", "mode", "encoding", "errors", "line_buffering", "write_through", "newlines")
    return {**{w: getattr(file, w) for w in words}, "tty": file.isatty(), "fd": file.fileno(),
            "seekable": file.seekable(), "raw": type(file.buffer).__name__}

def kind(path):
    return path.partition(":")[0]

def status(name):
    with open("/proc/self/status") as file:
        found = next(line.split()[1] for line in file if line.startswith(name + ":"))
    return int(found, 16) & ~(3 << 31)  # without two that the C library uses for itself

def descriptors():
    found = []
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        if os.path.lexists(path):  # all but the one of this listing
            found.append([kind(os.readlink(path)), os.get_inheritable(int(name))])
    return sorted(found)

def words_of(path):
    with open(path, "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\\0") if word]

facts = {
    "argv": sys.argv,
    "orig_argv": sys.orig_argv,
    "path": sys.path,
    "main": {name: repr(value).partition(" at 0x")[0] for name, value in vars(__main__).items()
             if name.startswith("__") and name != "__main__"},
    "is_main": sys.modules["__main__"] is __main__,
    "flags": repr(sys.flags),
    "warnoptions": sys.warnoptions,
    "filters": repr(warnings.filters),
    "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__],
    "streams": [stream(file) for file in (sys.stdin, sys.stdout, sys.stderr)],
    "input": sys.stdin.read(),
    "handlers": [str(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "signals": [status(name) for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "Threads")],
    "wakeup": signal.set_wakeup_fd(-1),
    "cwd": os.getcwd(),
    "umask": os.umask(0o22),
    "environ": {n: v for n, v in os.environ.items() if n != "AUTOFINETUNE_ATTEMPT_DIR"},
    "seen_environ": sorted(w for w in words_of("/proc/self/environ")
                           if not w.startswith("AUTOFINETUNE_ATTEMPT_DIR=")),
    "seen_words": " ".join(words_of("/proc/self/cmdline")).strip(),
    "descriptors": descriptors(),
    "session": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "stack": len(inspect.stack()),
    "threads": [thread.name for thread in threading.enumerate()],
    "is_main_thread": threading.current_thread() is threading.main_thread(),
    "process": multiprocessing.current_process().name,
    "method": multiprocessing.get_start_method(),
    "gc": [gc.isenabled(), gc.get_threshold()],
    "limits": [sys.getrecursionlimit(), sys.getswitchinterval(),
               *(resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK))],
    "machine": [sorted(os.sched_getaffinity(0)), os.nice(0)],
    "locale": locale.setlocale(locale.LC_ALL),
    "young": time.process_time() < 30,
    "finders": [type(finder).__name__ for finder in sys.meta_path],
    "trace": [sys.gettrace() is None or "coverage" in sys.modules, sys.getprofile()],
}
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """One server for all tests of this file, which rewrite the script."""
    root = tmp_path_factory.mktemp("forks")
    with ready_server(root, "json", "numpy", "multiprocessing", "concurrent.futures") as made:
        yield made


@pytest.fixture
def root(forks: ForkServer, tmp_path: Path) -> Path:
    """The directory of the script; each test has its own directory for attempts."""
    folder = Path(forks._imports.working_dir)
    (folder / "work").unlink(missing_ok=True)
    (folder / "work").symlink_to(tmp_path)
    return folder


def both(root: Path, forks: ForkServer) -> list[tuple[tuple[str, int | None], str]]:
    """Run the script the ordinary way and as a fork; return its ends and logs."""
    return [ending(root, None), ending(root, forks)]


def ending(
    root: Path, forks: ForkServer | None, *words: str
) -> tuple[tuple[str, int | None], str]:
    attempt = attempt_of(root, *words, name="work/attempt")
    record = run(attempt, forks).exit
    assert record is not None
    log = Path(attempt.log).read_text(errors="surrogateescape")
    assert Path(attempt.directory, "runner.log").read_text() == ""
    shutil.rmtree(attempt.directory)
    Path(attempt.log).unlink()
    return (record.why, record.returncode), log


def test_it_finds_everything_as_python_leaves_it(root: Path, forks: ForkServer) -> None:
    (root / SCRIPT).write_text(FACTS)
    words = ("--x=1", "two words", "--ü=\udcff")
    expected, found = (json.loads(ending(root, one, *words)[1]) for one in (None, forks))
    for name, value in expected.items():
        assert found[name] == value, name


ENDINGS = {
    "the end": "print('done')",
    "exit code": "import sys; sys.exit(3)",
    "exit text": "import sys; sys.exit('a reason')",
    "exit nothing": "raise SystemExit",
    "exit big": "raise SystemExit(256 + 7)",
    "error": "def f():\n    raise ValueError('why')\nprint('before')\nf()",
    "chained": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e",
    "group": "raise BaseException('base')",
    "syntax": "print('never')\ndef f(:\n    pass",
    "encoding": "# coding: nonsense\nprint(1)",
    "latin": "# coding: latin-1\nprint(ascii('\udce9'))",
    "future": (
        "from __future__ import annotations\ndef f(x: undefined): pass\nprint(f.__annotations__)"
    ),
    "own hook": "import sys\nsys.excepthook = lambda t, e, tb: print(t, e, tb.tb_next)\n1 / 0",
    "interrupt": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)",
    "terminate": "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)",
    "pipe": "import os\nr, w = os.pipe(); os.close(r)\nos.write(w, b'x')",
    "hang up": "import os, signal, time\nos.kill(os.getpid(), signal.SIGHUP)\ntime.sleep(60)",
    "at once": "import os\nprint('lost?', flush=True)\nos._exit(4)",
    "at exit": (
        "import atexit, threading, time\natexit.register(print, 'first registered')\n"
        "atexit.register(print, 'last registered')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print(1))).start()\nprint('main')"
    ),
    "dead thread": "import threading\nthreading.Thread(target=lambda: 1 / 0, name='T').start()",
    "finalizer": (
        "class A:\n    def __del__(self): print('del')\na, b = A(), A()\n"
        "a.other, b.other = b, a\nprint('main')"
    ),
    "both streams": (
        "import sys\nfor i in range(50):\n    print(i)\n    print('err', i, file=sys.stderr)"
    ),
    "warning": (
        "import warnings\nwarnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)"
    ),
    "log": (
        "import logging\nlogging.getLogger('x').warning('w')\n"
        "logging.basicConfig()\nlogging.error('e')"
    ),
    "prog": "import argparse\nargparse.ArgumentParser().parse_args(['--y'])",
    "stack": "import traceback\ntraceback.print_stack()\nimport sys\nsys._getframe(1)",
    "recursion": "def f(): f()\nf()",
    "pickle": (
        "import pickle\nclass A:\n    pass\n"
        "print(pickle.dumps(A()), type(pickle.loads(pickle.dumps(A()))))"
    ),
    "source": (
        "import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f), inspect.getfile(f))"
    ),
    "globals": "print(sorted(globals()), __name__, __file__, __spec__)",
    **{
        method: (
            "import multiprocessing\ndef double(x):\n    return 2 * x\nclass A:\n    pass\n"
            "if __name__ == '__main__':\n"
            f"    with multiprocessing.get_context('{method}').Pool(2) as pool:\n"
            "        print(pool.map(double, range(5)))"
        )
        for method in ("fork", "spawn", "forkserver")
    },
    "futures": (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "if __name__ == '__main__':\n    with ProcessPoolExecutor(2) as pool:\n"
        "        print(list(pool.map(abs, [-1, -2])))"
    ),
    "subprocess": (
        "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.path)'],"
        " capture_output=True).stdout)"
    ),
    "numbers": "import numpy as np\nprint(np.linalg.norm(np.eye(300) @ np.ones((300, 300))))",
    "local": "import neighbour\nprint(neighbour.__file__)",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_it_ends_as_python_does(root: Path, forks: ForkServer, name: str) -> None:
    (root / "neighbour.py").write_text("")
    (root / SCRIPT).write_bytes(os.fsencode(ENDINGS[name]))
    ordinary, forked = both(root, forks)
    assert forked == ordinary


def test_a_script_that_is_gone_is_told_by_python(root: Path, forks: ForkServer) -> None:
    (root / SCRIPT).unlink(missing_ok=True)
    ordinary, forked = both(root, forks)
    assert forked == ordinary
    assert "No such file" in ordinary[1]
