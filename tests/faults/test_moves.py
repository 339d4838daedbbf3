"""Output directories that are copied, moved or deleted, and sizes: F68, F82, F83 and F88."""
# ruff: noqa: N802

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from autofinetune.core.events import RunCreated, RunResumed
from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.files.reports import MOST_REPORTS
from autofinetune.store.journal import SqliteJournal
from tests.faults.harness import DEADLINE_S, LEDGER_VARIABLE, FaultRun, Life, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_trial_behaviour import write_script
from tests.helpers import one_descriptor_left
from tests.nursery import Nursery


@pytest.fixture
def held(run: FaultRun) -> Life:
    """The tuner of a run whose first two trials wait for the file `go`."""
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: len(run.lines("start")) == 2)
    return life


def check(run: FaultRun, code: int = 0) -> None:
    assert check_invariants(run.output_dir, run.ledger, code=code) == [], run.console


def names(run: FaultRun) -> list[str]:
    """The names that the run had, one after the other."""
    return [e.run for e in run.events() if isinstance(e, RunCreated | RunResumed)]


# --- copies -------------------------------------------------------------------------------------


def test_F68_a_copy_and_its_original_leave_each_other_alone(
    run: FaultRun, held: Life, tmp_path: Path, nursery: Nursery
) -> None:
    run.kill(held)
    copy = FaultRun(run.root, nursery, out="copy", options=run.options)
    copy.env[LEDGER_VARIABLE] = str(tmp_path / "of_the_copy")
    shutil.copytree(run.output_dir, copy.output_dir, symlinks=True)
    life = run.start("resume", run.out)
    other = copy.start("resume", copy.out)
    wait_until(lambda: copy.console.count("resumed: ") == 2)
    wait_until(lambda: (tmp_path / "of_the_copy").exists())
    for count in (1, 2, 3):
        other.send_signal(signal.SIGINT)
        wait_until(lambda count=count: run.console.count("stopping: ") == count)  # type: ignore[misc]
    assert other.wait(DEADLINE_S) == 130, run.console
    assert {line.pid for line in run.lines("start")} <= set(run.survivors())
    run.release()
    assert life.wait(DEADLINE_S) == 0, run.console
    check(run)
    assert run.table() == run.undisturbed()
    assert len(set(names(run))) == 1
    first, second = names(copy)
    assert first == names(run)[0] != second
    assert copy.finish("resume", copy.out) == 0, run.console
    assert names(copy) == [first, second, second]
    assert copy.table() == run.table()


def test_F68_what_came_from_another_disk_waits_for_the_trials_left_there(
    run: FaultRun, held: Life
) -> None:
    run.kill(held)
    shutil.copytree(run.output_dir, run.root / "brought", symlinks=True)
    shutil.rmtree(run.output_dir)
    (run.root / "brought").rename(run.output_dir)
    assert run.finish() == 5, run.console
    assert "was moved or copied from elsewhere" in run.console
    for pid in run.survivors():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not run.survivors())
    run.release()
    assert run.finish() == 0, run.console
    assert run.table() == run.undisturbed()


# --- moves --------------------------------------------------------------------------------------


def moved(run: FaultRun) -> Path:
    """Move the output directory; returns where it was."""
    before = run.output_dir
    run.out = "moved"
    before.rename(run.output_dir)
    return before


def test_F82_a_run_that_was_moved_is_taken_over(run: FaultRun, held: Life) -> None:
    run.kill(held)
    before = moved(run)
    life = run.start("resume", run.out)
    wait_until(lambda: "the output directory was moved" in run.console)
    wait_until(before.is_symlink)
    run.release()
    assert life.wait(DEADLINE_S) == 0, run.console
    check(run)
    assert run.table() == run.undisturbed()
    assert not os.path.lexists(before)
    assert [trial.attempt for trial in run.state().trials.values()] == [1, 1, 1, 1]
    assert len(set(names(run))) == 1


def test_F82_trials_that_end_while_nobody_is_there_are_not_lost(run: FaultRun, held: Life) -> None:
    run.kill(held)
    run.plan({"*": {}})
    before = moved(run)
    run.release()
    wait_until(lambda: not run.survivors())
    assert not os.path.lexists(before)
    assert run.finish("resume", run.out) == 0, run.console
    check(run)
    assert run.table() == run.undisturbed()


def test_F88_a_directory_that_is_moved_under_a_run_is_followed(run: FaultRun, held: Life) -> None:
    before = moved(run)
    wait_until(before.is_symlink)
    run.release()
    assert held.wait(DEADLINE_S) == 0, run.console
    check(run)
    assert run.table() == run.undisturbed()
    assert not os.path.lexists(before)


# --- deleted ------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["run.db"], ["run.db", "run.db-wal", "run.db-shm"]])
def test_F83_a_journal_that_is_deleted_is_written_anew(
    run: FaultRun, held: Life, names: list[str]
) -> None:
    for name in names:
        (run.output_dir / name).unlink()
    run.release()
    assert held.wait(DEADLINE_S) == 0, run.console
    assert "run.db was deleted; it was restored" in run.console
    check(run)
    assert run.table() == run.undisturbed()
    assert run.finish("resume", run.out) == 0, run.console


def test_F83_another_file_in_its_place_ends_the_run(run: FaultRun, held: Life) -> None:
    (run.output_dir / "run.db").rename(run.root / "kept.db")
    (run.output_dir / "run.db").write_text("mine")
    run.release()
    assert held.wait(DEADLINE_S) == 4, run.console
    assert "was replaced by another file" in run.console
    assert "Traceback" not in run.console
    assert (run.output_dir / "run.db").read_text() == "mine"


def test_F83_a_directory_that_is_deleted_ends_the_run(run: FaultRun, held: Life) -> None:
    shutil.rmtree(run.output_dir)
    run.release()
    assert held.wait(DEADLINE_S) == 4, run.console
    assert "was deleted during the run" in run.console
    assert "Traceback" not in run.console
    wait_until(lambda: not run.survivors())


# --- sizes --------------------------------------------------------------------------------------


def test_F88_an_endless_table_of_configurations_is_refused(run: FaultRun) -> None:
    assert run.finish(*run.new_words(), "--enqueue=/dev/zero") == 2
    assert "--enqueue=/dev/zero has more than 64 MiB" in run.console
    assert not run.output_dir.exists()


def test_F88_a_path_that_is_too_long_is_told(run: FaultRun) -> None:
    run.out = "/".join(["d" * 100] * 5)
    assert run.finish() == 4, run.console
    assert "choose a shorter --output_dir" in run.console
    assert "disk has space" not in run.console


def test_F88_a_journal_without_descriptors_says_so(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "run.db", create=True).close()
    with one_descriptor_left(), pytest.raises(EnvironmentProblem, match="Too many open files"):
        SqliteJournal(tmp_path / "run.db")


def test_F88_a_trial_that_reports_without_end_is_bounded(run: FaultRun) -> None:
    run.popsize = run.rounds = 1
    write_script(
        run,
        """
lines = "".join(json.dumps({"intermediate": n / 1e7, "step": n}) + "\\n" for n in range(200_000))
with open(REPORTS, "a") as file:
    for _ in range(5):
        file.write(lines)
save()
finish(0.5)
""",
    )
    assert run.finish() == 0, run.console
    check(run)
    (trial,) = run.state().trials.values()
    assert (trial.reports, trial.score) == (MOST_REPORTS, 0.5)
    assert run.console.count("further ones are not recorded, but its final score is") == 1
    assert run.paths.journal.stat().st_size < 10 << 20
