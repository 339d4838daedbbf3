"""Disks that are full, late to report errors, read-only or damaged: F41 to F51."""
# ruff: noqa: N802

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.core.events import (
    AttemptPlanned,
    Event,
    RunCreated,
    RunEnded,
    RunResumed,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.files.reports import read_reports
from autofinetune.sinks import BestModel, Sink, SinkGuard
from autofinetune.sinks.best_model import describe_files
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.faults.harness import DEADLINE_S, FaultRun, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_trial_behaviour import write_script
from tests.helpers import config_of, flush_now, tuner_in_memory

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
# What the tuner of a test does otherwise: it waits less, and imports no dashboard.
QUICK = """
import sys
if "autofinetune" in sys.orig_argv:
    import autofinetune.run.tuner
    autofinetune.run.tuner.RETRY_S = 0.01
    autofinetune.run.tuner.POLL_S = 0.05
    sys.modules["visualdl"] = None
"""


@pytest.fixture
def quick(run: FaultRun) -> FaultRun:
    folder = run.root / "quick"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(QUICK)
    run.env["PYTHONPATH"] = str(folder)
    return run


class Mounts:
    """A mount namespace that lives as long as this object; its files are seen below `root`."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", "echo ready; read end"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            pytest.skip("no mount namespace can be made here")
        self.enter = ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt")

    def inside(self, folder: Path) -> list[str]:
        """The words before a command that is to run in `folder` inside."""
        return [*self.enter, "env", "-C", str(folder)]

    def seen(self, path: Path) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{path}")

    def mount(self, *words: object) -> None:
        done = subprocess.run(
            [*self.enter, "mount", *map(str, words)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"mount: {done.stderr.strip()}")

    def close(self) -> None:
        self._holder.communicate("end\n")


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("needs unshare and nsenter")
    with contextlib.closing(Mounts()) as made:
        yield made


def fill(folder: Path) -> None:
    """Take the last byte."""
    with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"b" * 4096)


def check(run: FaultRun, code: int, seen: Path | None = None) -> None:
    assert check_invariants(seen or run.output_dir, run.ledger, code=code) == [], run.console


def inject(calls: str, what: str, *paths: Path) -> list[str]:
    """strace over the tuner alone: its trials are not followed."""
    only = [word for path in paths for word in ("-P", str(path))]
    return ["strace", "-qq", "-o", "/dev/null", *only, "-e", f"trace={calls}",
            "-e", f"inject={calls}:{what}"]  # fmt: skip


def written(paths: RunPaths) -> list[Path]:
    """What a tuner of four trials writes once the journal is open, the console left out."""
    names = ["run.db-wal", ".trials.csv.tmp", ".log_file.txt.tmp", ".best_model.json.tmp",
             ".config.yaml.tmp", ".best_model.new"]  # fmt: skip
    found = [paths.root / name for name in names]
    for trial in range(4):
        found.append(paths.attempt_dir(trial, 1))
        found += [paths.attempt_dir(trial, 1) / name for name in ("spec.json.tmp", "runner.log")]
    return found


# --- full ---------------------------------------------------------------------------------------

REPORTS_LATER = """
save()
report_intermediate_result(0.1)
note("child", kind="saved")
while not os.path.exists("full"):
    time.sleep(0.005)
report_intermediate_result(0.2)
while not os.path.exists("go"):
    time.sleep(0.005)
finish(0.25 + TRIAL)
"""


def test_F41_a_disk_that_fills_up_pauses_the_run_until_it_is_freed(
    quick: FaultRun, mounts: Mounts
) -> None:
    disk = quick.root / "disk"
    disk.mkdir()
    mounts.mount("-t", "tmpfs", "-o", "size=400k", "none", disk)
    seen = mounts.seen(disk)
    quick.out = "disk/result"
    write_script(quick, REPORTS_LATER)
    life = quick.start_fresh(*quick.new_words(), before=mounts.inside(quick.root))
    wait_until(lambda: len(quick.lines("child")) == 2)
    fill(seen)
    quick.release("full")
    wait_until(lambda: "paused: " in quick.console)
    quick.release("go")
    wait_until(lambda: len(quick.lines("acked")) == 2)
    assert "disk is full" in quick.console
    mounts.mount("-o", "remount,size=8m", disk)
    assert life.wait(DEADLINE_S) == 0
    copy = quick.root / "copy"  # SQLite looks for a path outside of the namespace
    shutil.copytree(seen / "result", copy)
    check(quick, 0, copy)
    assert len(quick.lines("start")) == 4


def test_F41_the_first_report_of_a_trial_waits_for_space(quick: FaultRun, mounts: Mounts) -> None:
    disk = quick.root / "disk"
    disk.mkdir()
    mounts.mount("-t", "tmpfs", "-o", "size=400k", "none", disk)
    seen = mounts.seen(disk)
    quick.out, quick.popsize, quick.rounds = "disk/result", 1, 1
    write_script(
        quick,
        """
save()
note("child", kind="saved")
while not os.path.exists("full"):
    time.sleep(0.005)
note("child", kind="goes on")
finish(0.25)
""",
    )
    life = quick.start_fresh(*quick.new_words(), before=mounts.inside(quick.root))
    wait_until(lambda: quick.lines("child"))
    fill(seen)
    quick.release("full")
    wait_until(lambda: len(quick.lines("child")) == 2)
    mounts.mount("-o", "remount,size=8m", disk)
    assert life.wait(DEADLINE_S) == 0


@needs_strace
@pytest.mark.parametrize("calls", ["pwrite64", "openat", "write,fsync,rename", "mkdir"])
def test_F41_no_space_at_any_write_of_the_tuner_only_delays_it(
    quick: FaultRun, calls: str
) -> None:
    before = inject(calls, "error=ENOSPC:when=11..60+4" if calls == "pwrite64" else
                    "error=ENOSPC:when=2..30+3", *written(quick.paths))  # fmt: skip
    life = quick.start_fresh(*quick.new_words(), before=before)
    assert life.wait(DEADLINE_S) == 0, quick.console
    assert quick.table() == quick.undisturbed()
    assert quick.finish("rebuild", quick.out) == 0  # the last writes of the views may have failed
    check(quick, 0)


class FullAtTheEnd(Sink):
    """Cannot write when the run is over, but a moment later."""

    is_written = False
    tries = 0

    def handle(self, event: Event, state: State) -> None:
        self.is_written = False

    def flush(self, state: State) -> None:
        if state.end_reason is not None:
            self.tries += 1
            if self.tries == 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.is_written = True


def test_F41_views_that_wait_for_space_at_the_end_are_written(tmp_path: Path) -> None:
    sink = FullAtTheEnd()
    tuner = tuner_in_memory(tmp_path, config_of(), sinks=[])
    guard = SinkGuard([sink], lambda sentence: None)
    tuner._sinks = guard
    tuner.start("run")
    tuner.run()
    guard.close()
    assert sink.is_written


def test_F41_a_console_on_a_full_disk_does_not_stop_the_run(quick: FaultRun) -> None:
    command = [sys.executable, "-m", "autofinetune", *quick.new_words()]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, cwd=quick.root, env=quick.environ(), stdin=subprocess.DEVNULL,
            stdout=full, stderr=full,
        )  # fmt: skip
    assert done.returncode == 0
    check(quick, 0)


# --- broken -------------------------------------------------------------------------------------


@needs_strace
@pytest.mark.parametrize("nth", [2, 4, 7])
def test_F42_a_failed_fsync_is_believed_and_the_run_can_go_on(quick: FaultRun, nth: int) -> None:
    wal = quick.paths.root / "run.db-wal"
    life = quick.start_fresh(
        *quick.new_words(), before=inject("fdatasync", f"error=EIO:when={nth}", wal)
    )
    assert life.wait(DEADLINE_S) == 4, quick.console
    assert "Traceback" not in quick.console
    assert "I/O error" in quick.console
    assert quick.finish() == 0
    check(quick, 0)
    assert quick.table() == quick.undisturbed()


# --- damaged files ------------------------------------------------------------------------------


def batches() -> list[list[Event]]:
    return [[RunResumed(float(n), "1"), RunEnded(float(n), f"batch {n}")] for n in range(6)]


def test_F44_a_torn_write_ahead_log_loses_only_whole_batches_at_its_end(tmp_path: Path) -> None:
    path, copy = tmp_path / "run.db", tmp_path / "copy.db"
    copy_wal = tmp_path / "copy.db-wal"
    journal = SqliteJournal(path, create=True)
    for batch in batches():
        journal.append(batch)
    whole, wal = path.read_bytes(), (tmp_path / "run.db-wal").read_bytes()
    journal.close()
    chance = random.Random(1)
    seen = set()
    for cut in sorted({*chance.sample(range(len(wal)), 40), len(wal)}):
        for tail in (b"", chance.randbytes(500)):
            copy.write_bytes(whole)
            copy_wal.write_bytes(wal[:cut] + tail)
            (tmp_path / "copy.db-shm").unlink(missing_ok=True)
            with contextlib.closing(SqliteJournal(copy)) as torn:
                found = list(torn.events())
                assert len(found) % 2 == 0
                assert found == [event for batch in batches() for event in batch][: len(found)]
                torn.append([RunEnded(9.0, "again")])
                assert list(torn.events())[-1] == RunEnded(9.0, "again")
            seen.add(len(found))
    assert seen == set(range(0, 13, 2))


def test_F44_a_torn_database_is_an_error_with_words(tmp_path: Path) -> None:
    path, copy = tmp_path / "run.db", tmp_path / "copy.db"
    with contextlib.closing(SqliteJournal(path, create=True)) as journal:
        for batch in batches():
            journal.append(batch)
    whole = path.read_bytes()
    chance = random.Random(1)
    for _ in range(100):
        data = bytearray(whole)
        del data[chance.randrange(1, len(data)) :]
        at = chance.randrange(len(data))
        data[at : at + 8] = chance.randbytes(len(data[at : at + 8]))
        copy.write_bytes(data)
        with (
            contextlib.suppress(EnvironmentProblem),
            contextlib.closing(SqliteJournal(copy)) as torn,
        ):
            list(torn.events())


def test_F44_torn_reports_give_the_whole_ones_before(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    whole = b"".join(b'\n{"final": %d.5, "time": 1.0}\n' % n for n in range(5))
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        reports, offset = read_reports(path, 0)
        assert [r.score for r in reports] == [0.5, 1.5, 2.5, 3.5, 4.5][: whole[:cut].count(b"}\n")]
        with path.open("ab") as file:
            file.write(b'\n{"final": 9.5}\n')
        assert read_reports(path, offset)[0][-1].score == 9.5


def test_F44_torn_views_and_records_are_made_again(run: FaultRun) -> None:
    assert run.finish() == 0
    before = run.table()
    ours = [path for path in run.output_dir.rglob("*") if path.is_file() and "model-" not in
            str(path) and path.name not in ("run.db", "run.lock")]  # fmt: skip
    views = [path for path in ours if "trials/" not in str(path).removeprefix(str(run.root))]
    assert len(views) > 12
    records = set(ours) - set(views)
    for keep in (0, 0.5):
        for path in views:
            os.truncate(path, int(path.stat().st_size * keep))
        for path in records:  # of no use to a run that is over
            path.unlink(missing_ok=True)
        assert run.finish("rebuild", run.out) == 0, run.console
        check(run, 0)
        assert run.finish("resume", run.out) == 0
        assert run.table() == before
    assert len(run.lines("start")) == 4


def test_F44_torn_records_of_a_running_trial_are_not_believed(run: FaultRun) -> None:
    run.popsize, run.rounds = 3, 1
    run.gpu = "0,1,2"
    run.plan({"*": {"hold_acked": "go"}})
    life = run.start()
    wait_until(lambda: len(run.lines("acked")) == 3)
    run.kill(life)
    for trial, keep in enumerate((0.0, 0.5, 0.9)):
        for name in ("started.json", "spec.json", "exit.json"):
            path = run.paths.attempt_dir(trial, 1) / name
            if path.exists():
                os.truncate(path, int(path.stat().st_size * keep))
    run.release()
    assert run.finish() == 0, run.console
    for path in run.paths.trials.rglob("started.json"):
        path.unlink()
    for path in run.paths.trials.rglob("spec.json"):
        path.unlink()
    check(run, 0)
    assert {t.status for t in run.state().trials.values()} == {Status.COMPLETED}


# --- read-only ----------------------------------------------------------------------------------


def test_F45_a_read_only_directory_is_refused(quick: FaultRun, mounts: Mounts) -> None:
    disk = quick.root / "disk"
    disk.mkdir()
    mounts.mount("-t", "tmpfs", "-o", "ro", "none", disk)
    quick.out = "disk/result"
    life = quick.start_fresh(*quick.new_words(), before=mounts.inside(quick.root))
    assert life.wait(DEADLINE_S) == 4, quick.console
    assert "Traceback" not in quick.console
    assert "Read-only file system" in quick.console


@needs_strace
@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 does not say what failed")
def test_F45_a_disk_that_becomes_read_only_for_a_while_pauses_the_run(quick: FaultRun) -> None:
    life = quick.start_fresh(
        *quick.new_words(),
        before=inject("pwrite64", "error=EROFS:when=12..20", *written(quick.paths)),
    )
    assert life.wait(DEADLINE_S) == 0, quick.console
    assert "paused: " in quick.console
    check(quick, 0)
    assert quick.table() == quick.undisturbed()


# --- directories and models ---------------------------------------------------------------------


def test_F46_what_is_in_the_directory_decides_and_nothing_is_overwritten(run: FaultRun) -> None:
    run.popsize = run.rounds = 1
    run.output_dir.mkdir()
    (run.output_dir / "notes.txt").write_text("precious")
    assert run.finish() == 0, run.console
    check(run, 0)
    before = contents(run.output_dir)
    assert run.finish(*run.new_words()) == 2
    assert "autofinetune resume result" in run.console
    assert contents(run.output_dir) == before

    for name in ("best_model", "visualization", "round0", "trials"):
        run.out = f"foreign-{name}"
        (run.output_dir / name).mkdir(parents=True)
        (run.output_dir / name / "precious").touch()
        assert run.finish(*run.new_words()) == 2
        assert [path.name for path in run.output_dir.rglob("*")] == [name, "precious"]
    assert "holds files of another run: trials" in run.console


def contents(folder: Path) -> dict[str, object]:
    """All files but those that SQLite makes beside an open database."""
    found = describe_files(folder)
    return {name: found[name] for name in found if not name.startswith("run.db-")}


def test_F46_a_dangling_link_is_refused_in_words(run: FaultRun) -> None:
    run.output_dir.symlink_to("nowhere")
    code = run.finish(*run.new_words())
    assert "Traceback" not in run.console
    assert code in (2, 4)
    assert not (run.root / "nowhere").exists()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_F47_a_kill_at_any_line_of_the_copy_leaves_no_half_model(tmp_path: Path) -> None:
    chance = random.Random(1)
    shutil.copytree(two_models(tmp_path), tmp_path / "whole")
    lines = replace_best(tmp_path / "whole")
    ends = set()
    # The end is where the old model goes and the new one comes.
    for step in [*chance.sample(range(1, lines - 150), 20), *range(lines - 150, lines, 8)]:
        root = tmp_path / str(step)
        shutil.copytree(two_models(tmp_path), root)
        replace_best(root, step)
        paths = RunPaths(root)
        owner = -1
        if paths.best_model.exists():
            found = describe_files(paths.best_model)
            (owner,) = (n for n in range(2) if describe_files(paths.model(0, n)) == found)
        ends.add(owner)
        flush_now(BestModel(paths), state_of(root, 2))
        assert describe_files(paths.best_model) == describe_files(paths.model(0, 1))
    assert {0, 1} <= ends


def test_F47_the_old_model_goes_after_a_kill_behind_the_swap(tmp_path: Path) -> None:
    root = two_models(tmp_path)
    paths = RunPaths(root)
    flush_now(BestModel(paths), state_of(root, 2))
    shutil.copytree(paths.model(0, 0), root / ".best_model.old")
    flush_now(BestModel(paths), state_of(root, 2))
    assert not list(root.glob(".best_model.*"))


def two_models(tmp_path: Path) -> Path:
    """An output directory with two models, the first of which is best_model."""
    root = tmp_path / "two"
    if not root.exists():
        for member in range(2):
            model = RunPaths(root).model(0, member)
            (model / "part").mkdir(parents=True)
            for name in ("weights", "part/more"):
                (model / name).write_text(f"{name} of {member}")
        flush_now(BestModel(RunPaths(root)), state_of(root, 1))
    return root


def state_of(root: Path, completed: int) -> State:
    """One round in which so many trials are over, each better than the one before."""
    state = State()
    state.apply(RunCreated(0.0, "r", "1", {}))
    for number in range(completed):
        state.apply(TrialCreated(0.0, number, 0, number, (0.5,), {"lr": 0.5}, None))
        state.apply(AttemptPlanned(0.0, number, 1, Slot("a")))
        state.apply(TrialEnded(0.0, number, 1, "COMPLETED", "", float(number), 1.0, True))
    return state


def replace_best(root: Path, dies_at: int = 0) -> int:
    """Replace the best model in a process that is killed at one of its lines; their number."""
    state = state_of(root, 2)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        lines = 0

        def trace(frame: object, what: str, argument: object) -> object:
            nonlocal lines
            lines += 1
            if lines == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)  # type: ignore[arg-type]
        flush_now(BestModel(RunPaths(root)), state)
        sys.settrace(None)
        os.write(writer, b"%d" % lines)
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as file:
        return int(file.read() or 0)


def test_F48_a_model_of_any_shape_is_kept_without_following_links(run: FaultRun) -> None:
    run.popsize, run.rounds = 1, 1
    (run.root / "private").write_text("precious")
    write_script(
        run,
        """
import socket
os.makedirs(MODEL + "/a/b")
open(MODEL + "/a/b/weights", "w").write("w" * 100000)
os.link(MODEL + "/a/b/weights", MODEL + "/hard")
os.symlink(os.path.abspath("private"), MODEL + "/link")
os.symlink("/", MODEL + "/root")
os.symlink("nowhere", MODEL + "/dangling")
os.mkfifo(MODEL + "/pipe")
os.chdir(MODEL)
socket.socket(socket.AF_UNIX).bind("socket")
open("sparse", "w").truncate(1 << 20)
finish(0.5)
""",
    )
    assert run.finish() == 0, run.console
    check(run, 0)
    best = run.paths.best_model
    assert sorted(path.name for path in best.iterdir()) == [
        "a",
        "dangling",
        "hard",
        "link",
        "root",
        "sparse",
    ]
    assert (best / "link").is_symlink()
    assert (best / "root").is_symlink()
    assert (best / "hard").read_text() == "w" * 100000


@pytest.mark.parametrize("what", ["shutil.rmtree(MODEL)", "pass", "open(MODEL + '.x', 'w')"])
def test_F48_a_best_trial_without_a_model_has_no_best_model(run: FaultRun, what: str) -> None:
    run.popsize, run.rounds, run.gpu = 2, 1, "0"
    write_script(run, f"save()\nif TRIAL == 1:\n    os.remove(MODEL + '/weights')\n    {what}\n"
                 "finish(0.5 + TRIAL)")  # fmt: skip
    assert run.finish() == 0, run.console
    check(run, 0)
    assert not run.paths.best_model.exists()
    assert "there is no best_model" in run.console


def test_F48_a_model_that_is_deleted_later_is_told(run: FaultRun) -> None:
    run.popsize, run.rounds = 2, 1
    run.plan({"1": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: run.paths.best_model.exists())
    shutil.rmtree(run.paths.model(0, 0))
    shutil.rmtree(run.paths.best_model)
    run.release()
    assert life.wait(DEADLINE_S) == 0
    state = run.state()
    assert state.counts[Status.COMPLETED] == 2
    best = run.paths.best_model
    assert state.best is not None
    assert not best.exists() or describe_files(best) == describe_files(
        run.paths.model(0, state.best.member)
    )


NAMES = [
    "with space; touch boom; $(touch boom)",
    "-quo'te\"s`touch boom`\\",
    "new\nline * #question?percent%41&",
    "emoji-\N{SNOWMAN}-ü" + "n" * 200,
]


@pytest.mark.parametrize("name", NAMES)
def test_F49_any_name_works_for_output_script_and_values(run: FaultRun, name: str) -> None:
    run.popsize = run.rounds = 1
    run.out = f"./{name}"
    (run.root / "train.py").rename(run.root / f"{name}.py")
    code = (run.root / f"{name}.py").read_text()
    (run.root / f"{name}.py").write_text(
        code.replace("args = ", 'parser.add_argument("--word")\nargs = ')
        + "\nassert args.word == os.environ['WORD'], args.word\n"
    )
    run.env["WORD"] = name
    words = [f"./{name}.py" if word == "train.py" else word for word in run.new_words()]
    assert run.finish(*words, "--", f"--word={name}") == 0, run.console
    check(run, 0)
    assert run.finish("resume", run.out) == 0, run.console
    assert not list(run.root.rglob("boom"))


@needs_strace
def test_F50_a_file_system_without_locks_is_refused_in_words(quick: FaultRun) -> None:
    quick.popsize = quick.rounds = 1
    life = quick.start_fresh(*quick.new_words(), before=inject("flock", "error=ENOLCK"))
    code = life.wait(DEADLINE_S)
    assert "Traceback" not in quick.console
    assert code == 4


# --- descriptors --------------------------------------------------------------------------------


def test_F51_a_trial_inherits_its_streams_and_its_lock_only(run: FaultRun) -> None:
    run.popsize, run.rounds = 1, 1
    write_script(
        run,
        """
save()
found = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n != "3"
         and os.path.exists(f"/proc/self/fd/{n}")]
json.dump(found, open("found", "w"))
finish(0.5)
""",
    )
    assert run.finish() == 0
    found = json.loads((run.root / "found").read_text())
    expected = [str(run.paths.attempt_dir(0, 1) / "lock")]
    rest = [name for name in found if not name.startswith(("/dev/null", "pipe:", "/proc/"))]
    assert rest in (expected, []), found


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
def test_F51_32_slots_fit_into_64_descriptors(quick: FaultRun) -> None:
    quick.popsize, quick.rounds, quick.gpu = 32, 1, "cpu:32"
    quick.plan({"*": {"hold": "go"}})
    life = quick.start_fresh(*quick.new_words(), before=["prlimit", "--nofile=64:64"])
    wait_until(lambda: len(quick.lines("start")) == 32)
    assert len(list(Path(f"/proc/{life.pid}/fd").iterdir())) < 64
    quick.release()
    assert life.wait(DEADLINE_S) == 0, quick.console
    check(quick, 0)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
def test_F51_with_too_few_descriptors_the_trials_take_turns(quick: FaultRun) -> None:
    quick.popsize, quick.rounds, quick.gpu = 12, 1, "cpu:12"
    quick.plan({"*": {"hold": "go"}})
    life = quick.start_fresh(*quick.new_words(), before=["prlimit", "--nofile=20:20"])
    wait_until(lambda: "paused: " in quick.console)
    quick.release()
    assert life.wait(DEADLINE_S) == 0
