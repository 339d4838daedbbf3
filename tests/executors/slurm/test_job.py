"""What follows from the files of an attempt and from Slurm's word."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest

from autofinetune.executors.base import ExitRecord
from autofinetune.executors.files.records import read_exit
from autofinetune.executors.slurm.commands import Listing, Row
from autofinetune.executors.slurm.job import RECORD, SlurmJob
from autofinetune.runner.files import EXIT, STARTED
from autofinetune.store.directory import Place
from tests.helpers import file_size_limit

LATER = math.inf  # a listing that is newer than anything that was seen


@pytest.fixture
def here(tmp_path: Path) -> Path:
    made = tmp_path / "out" / "trials" / "7" / "attempt-1"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def job(here: Path) -> SlurmJob:
    """A job with the id 12, whose files are seen at once."""
    made = SlurmJob((7, 1), Place(here), str(here), "out-ab", grace_s=1.0, settle_s=0.0)
    made.was_submitted("12")
    return made


def listing(job: SlurmJob, state: str = "", nodes: str = "w1", at: float = LATER) -> Listing:
    row = Row("12", state, nodes, job.name, f"{job.directory}/job.sh")
    return Listing(at, {"12": row} if state else {})


def start(job: SlurmJob, here: Path) -> None:
    (here / STARTED).write_text(json.dumps({"node": "w1"}))
    assert job.look_for_start(here)


def end(job: SlurmJob, here: Path, said: Listing) -> tuple[str, str] | None:
    """The why and the error of its end."""
    record = job.end(here, read_exit(here), said)
    return None if record is None else (record.why, record.error)


def leave(here: Path, **fields: Any) -> None:
    record = {"why": "exit", "returncode": 0, "seconds": 1.0, **fields}
    (here / EXIT).write_text(json.dumps(record))


def test_a_start_is_seen_once_with_its_node(job: SlurmJob, here: Path) -> None:
    assert not job.look_for_start(here)
    start(job, here)
    assert job.node == "w1"
    assert not job.look_for_start(here)


def test_a_name_that_no_node_has_is_left_out(job: SlurmJob, here: Path) -> None:
    (here / STARTED).write_text(json.dumps({"node": "w1\x1b[2J"}))
    assert job.look_for_start(here)
    assert job.node == ""


@pytest.mark.parametrize("state", ["PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"])
def test_what_slurm_still_has_is_not_over(job: SlurmJob, here: Path, state: str) -> None:
    assert end(job, here, listing(job, state)) is None


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ("TIMEOUT", ("timeout", "")),
        ("DEADLINE", ("timeout", "")),
        ("OUT_OF_MEMORY", ("exit", "")),
        ("PREEMPTED", ("lost", "preempted")),
        ("CANCELLED", ("lost", "cancelled")),
        ("FAILED", ("lost", "failed")),
        ("COMPLETED", ("lost", "no_record")),
    ],
)
def test_an_end_without_a_record_is_written_down(
    job: SlurmJob, here: Path, state: str, ended: tuple[str, str]
) -> None:
    start(job, here)
    assert end(job, here, listing(job, state)) == ended
    record = read_exit(here)
    assert record is not None
    assert record.is_oom == (state == "OUT_OF_MEMORY")


@pytest.mark.parametrize(("state", "word"), [("NODE_FAIL", "node_fail"), ("", "gone")])
def test_where_a_node_is_lost_its_runner_gets_time_to_see_the_record(
    job: SlurmJob, here: Path, monkeypatch: pytest.MonkeyPatch, state: str, word: str
) -> None:
    start(job, here)
    assert end(job, here, listing(job, state)) is None
    assert (here / EXIT).exists()
    monkeypatch.setattr(job, "_fenced_at", -math.inf)  # that time is over
    assert end(job, here, listing(job, state)) == ("lost", word)


def test_silence_and_an_old_listing_change_nothing(job: SlurmJob, here: Path) -> None:
    assert end(job, here, Listing()) is None
    assert end(job, here, listing(job, "CANCELLED", at=-1.0)) is None


def test_files_of_another_machine_may_come_late(job: SlurmJob, here: Path) -> None:
    job.settle_s = 1e9
    assert end(job, here, listing(job, "COMPLETED")) is None
    leave(here)
    job.has_result = True
    assert end(job, here, listing(job, "COMPLETED")) == ("exit", "")


def test_a_job_that_never_got_a_node_left_nothing_to_wait_for(job: SlurmJob, here: Path) -> None:
    job.settle_s = 1e9
    assert end(job, here, listing(job, "CANCELLED", nodes="")) == ("lost", "cancelled")


def test_a_job_that_waits_again_was_requeued_and_is_not_wanted(job: SlurmJob, here: Path) -> None:
    start(job, here)
    assert end(job, here, listing(job, "PENDING")) == ("lost", "requeued")


def test_an_id_that_was_given_again_says_nothing(job: SlurmJob, here: Path) -> None:
    other = Row("12", "RUNNING", "w1", job.name, "/out/trials/8/attempt-1/job.sh")
    start(job, here)
    assert job.end(here, None, Listing(LATER, {"12": other})) is None
    assert json.loads((here / EXIT).read_bytes())["error"] == "gone"


def test_what_we_asked_for_is_cancelled(job: SlurmJob, here: Path) -> None:
    job.ask()
    assert end(job, here, listing(job, "CANCELLED")) == ("cancel", "")


def test_what_was_never_submitted_is_cancelled_at_once(job: SlurmJob, here: Path) -> None:
    job.id = ""
    assert end(job, here, Listing()) is None
    job.ask()
    assert end(job, here, Listing()) == ("cancel", "")


def test_success_and_reasons_of_the_runner_need_no_word(job: SlurmJob, here: Path) -> None:
    job.has_result = True
    for fields in ({}, {"why": "timeout"}, {"why": "spawn", "returncode": None, "error": "x"},
                   {"returncode": -9, "oom_kills": 1},
                   {"why": "cancel", "signal": int(signal.SIGINT)}):  # fmt: skip
        leave(here, **fields)
        record = read_exit(here)
        assert job.end(here, record, Listing()) == record


@pytest.mark.parametrize(
    ("fields", "state", "expected"),
    [
        ({"why": "cancel", "returncode": -15}, "PREEMPTED", "lost"),
        ({"why": "cancel", "returncode": -15}, "TIMEOUT", "timeout"),
        ({"why": "cancel", "returncode": -15}, "COMPLETED", "cancel"),
        ({"why": "cancel", "returncode": -15}, "", "lost"),
        ({"returncode": -15}, "CANCELLED", "lost"),
        ({"returncode": 1}, "PENDING", "lost"),
        ({"returncode": 1}, "COMPLETED", "exit"),
        ({"returncode": 1}, "", "exit"),
        ({"returncode": 0}, "PREEMPTED", "lost"),
        ({"returncode": -9}, "OUT_OF_MEMORY", "exit"),
    ],
)
def test_other_ends_are_explained_by_slurm(
    job: SlurmJob, here: Path, fields: dict[str, Any], state: str, expected: str
) -> None:
    start(job, here)
    leave(here, **fields)
    assert end(job, here, Listing()) is None
    assert job.needs_word
    assert end(job, here, listing(job, "RUNNING")) is None  # not yet
    record = job.end(here, read_exit(here), listing(job, state))
    assert record is not None
    assert record.why == expected
    assert record.is_oom == (state == "OUT_OF_MEMORY")


def test_it_is_recalled_from_what_an_earlier_tuner_wrote(job: SlurmJob, here: Path) -> None:
    job.name = "before-ab"
    job.write(here)
    again = SlurmJob((7, 1), Place(here), str(here), "out-ab", grace_s=1.0, settle_s=0.0)
    assert again.recall(here)
    assert (again.id, again.name, again.is_doubtful) == ("12", "before-ab", False)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"name": "out-ab"}', "out-ab"),
        ('{"name": "else-cd", "job": "-u root"}', "out-ab"),
        ('{"name": "x,root-ab", "job": 3.5}', "out-ab"),
    ],
)
def test_an_id_that_is_missing_or_strange_is_asked_for(here: Path, text: str, name: str) -> None:
    job = SlurmJob((7, 1), Place(here), str(here), "out-ab", grace_s=1.0, settle_s=0.0)
    (here / RECORD).write_text(text)
    assert job.recall(here)
    assert (job.id, job.name, job.is_doubtful) == ("", name, True)


def test_an_attempt_is_found_by_its_script(job: SlurmJob) -> None:
    for command, is_mine in (
        (f"{job.directory}/job.sh", True),
        ("/moved/trials/7/attempt-1/job.sh", True),
        ("/out/trials/7/attempt-2/job.sh", False),
        ("(null)", False),
    ):
        assert job.is_mine(Row("1", "RUNNING", "", job.name, command)) is is_mine


def test_a_runner_that_does_not_end_is_killed(job: SlurmJob) -> None:
    job.ask_again_if_late()
    job.ask()
    job.ask_again_if_late()
    assert job.asked == 1
    job.grace_s = -1e9
    job.ask_again_if_late()
    assert job.asked == 2


def test_an_end_without_a_directory_is_known_too(job: SlurmJob, here: Path) -> None:
    record = job.end(here / "gone", None, listing(job, "CANCELLED"))
    assert record == ExitRecord("lost", -9, 0.0, "cancelled")


def test_on_a_full_disk_an_end_is_written_later(job: SlurmJob, here: Path) -> None:
    with file_size_limit(0):
        assert job.end(here, None, listing(job, "CANCELLED")) is None
    assert end(job, here, listing(job, "CANCELLED")) == ("lost", "cancelled")
