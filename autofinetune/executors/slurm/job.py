"""A job of Slurm that runs an attempt: what its files and Slurm say about it together.

Its exit record is the truth. Slurm's word only explains an end, or tells of one that left no
record; the record is then written here, which also ends a runner that lives on unseen.
"""

from __future__ import annotations

import dataclasses
import math
import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autofinetune.executors.base import ExitRecord
from autofinetune.executors.files.followed import Followed
from autofinetune.executors.files.records import as_record, read_json
from autofinetune.executors.slurm.batch import SCRIPT
from autofinetune.executors.slurm.commands import JOB_ID, OVER, WAITING, Listing, Row
from autofinetune.runner.files import EXIT, STARTED, write_atomically
from autofinetune.runner.main import KILL_PATIENCE_S, LEFTOVER_GRACE_S

PROBE = (-1, 0)  # the key of the job that is submitted before all others
RECORD = "slurm.json"  # written before a job is submitted, and again with its id
FENCE_S = 2.0  # interval at which a runner looks whether its end was recorded without it
_FENCED_S = 3 * FENCE_S
_EXPLAINED_S = 60.0  # for Slurm to see the end of a job that has left its record
# What Slurm's state means for an attempt without a record; else the attempt is lost.
_NODE = re.compile(r"[A-Za-z0-9._-]{1,255}")
_LIMITS = ("TIMEOUT", "DEADLINE")
_TAKEN = ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "CANCELLED", "REVOKED")
_WORDS = {"BOOT_FAIL": "node_fail", "COMPLETED": "no_record", "": "gone"}


@dataclass
class SlurmJob(Followed):
    """One job; times are monotonic, in seconds.

    Args:
        directory: the attempt's, by the path that trials see.
        name: the job's name, which all jobs of the run have.
        settle_s: how long files that another machine wrote may stay unseen here.
    """

    directory: str
    name: str
    grace_s: float
    settle_s: float
    id: str = ""  # empty until sbatch has answered
    is_doubtful: bool = False  # an earlier tuner may have submitted it
    submitted_at: float = math.inf
    node: str = ""
    started_at: float = math.inf  # when its runner was first seen
    asked: int = 0  # how often it was asked to end
    told: int = 0  # how many of these Slurm was told
    has_result: bool = False  # it has reported a final one
    is_in_hand: bool = False  # it is being submitted
    _asked_at: float = field(default=math.inf, init=False)
    _recorded_at: float = field(default=math.inf, init=False)
    _over_at: float = field(default=math.inf, init=False)
    _fenced_at: float = field(default=-math.inf, init=False)

    @property
    def is_started(self) -> bool:
        return self.started_at < math.inf

    @property
    def needs_word(self) -> bool:
        """Whether its end waits for Slurm's word."""
        return self._recorded_at < math.inf

    # --- what Slurm is told ---------------------------------------------------------------------

    def recall(self, here: Path) -> bool:
        """Read what an earlier tuner wrote; return whether it may have submitted the job."""
        found = read_json(here / RECORD)
        if found is None:
            return False
        name, job = found.get("name"), str(found.get("job", ""))
        run = self.name.rpartition("-")[2]
        if isinstance(name, str) and name.rpartition("-")[2] == run and "," not in name:
            self.name = name  # the directory had another name then
        if JOB_ID.fullmatch(job):
            self.was_submitted(job)
        else:
            self.is_doubtful = True
        return True

    def write(self, here: Path) -> None:
        """Write its name and id, as far as it is known."""
        record = {"name": self.name, **({"job": self.id} if self.id else {})}
        write_atomically(str(here / RECORD), record, durable=True)

    def was_submitted(self, job: str) -> None:
        self.id, self.submitted_at, self.is_doubtful = job, time.monotonic(), False

    def is_mine(self, row: Row) -> bool:
        """Whether a job of that name runs this attempt, perhaps from where it lay before."""
        own = Path(self.directory, SCRIPT).parts
        return row.name == self.name and Path(row.command).parts[-4:] == own[-4:]

    def _row(self, listing: Listing) -> Row | None:
        """Return what Slurm says; a controller that lost its state may give an id again."""
        row = listing.rows.get(self.id)
        return row if row and self.is_mine(row) else None

    def ask(self) -> None:
        """Have it ended; the second time at once."""
        self.asked += 1
        self._asked_at = min(self._asked_at, time.monotonic())

    def ask_again_if_late(self) -> None:
        """Have a runner killed that should have ended its trial long ago."""
        longest = self.grace_s + LEFTOVER_GRACE_S + KILL_PATIENCE_S + self.settle_s
        if self.asked == 1 and time.monotonic() > self._asked_at + longest:
            self.ask()

    # --- what happened --------------------------------------------------------------------------

    def look_for_start(self, here: Path) -> bool:
        """Return whether its runner is seen to have started for the first time."""
        found = None if self.is_started else read_json(here / STARTED)
        if found is None:
            return False
        self.started_at = time.monotonic()
        node = str(found.get("node", ""))
        self.node = node if _NODE.fullmatch(node) else ""
        return True

    def end(self, here: Path, record: ExitRecord | None, listing: Listing) -> ExitRecord | None:
        """Return how the attempt ended, or None as long as it has not or that is not known.

        `record` is what its exit record says, read before its reports were.
        """
        if record is None:
            return self._end_without_record(here, listing)
        if time.monotonic() < self._fenced_at + _FENCED_S:
            return None  # if its runner still lives, it ends now
        return self._explained(record, listing)

    def _explained(self, record: ExitRecord, listing: Listing) -> ExitRecord | None:
        """Return the record with the reason that only Slurm knows, None until it says so.

        Slurm signals all processes of a job, so the command may end before its runner hears of it.
        """
        was_asked = self.asked > 0 or record.signal == signal.SIGINT
        is_success = record.returncode == 0 and self.has_result
        is_clear = record.is_oom or is_success if record.why == "exit" else record.why != "cancel"
        if was_asked or is_clear:
            return record
        self._recorded_at = min(self._recorded_at, time.monotonic())
        if not self.id or listing.at < self._recorded_at:
            return None
        row = self._row(listing)
        state = row.state if row else ""
        is_waiting = state in WAITING
        is_over = is_waiting or state in ("", *OVER)
        if not is_over and time.monotonic() < self._recorded_at + _EXPLAINED_S:
            return None
        if is_waiting or state in _TAKEN or (record.why == "cancel" and row is None):
            word = "requeued" if is_waiting else _word(state)
            return dataclasses.replace(record, why="lost", error=word)
        if state == "OUT_OF_MEMORY":
            return dataclasses.replace(record, why="exit", returncode=-9, is_oom=True)
        return dataclasses.replace(record, why="timeout") if state in _LIMITS else record

    def _end_without_record(self, here: Path, listing: Listing) -> ExitRecord | None:
        if self.asked and not (self.id or self.is_doubtful or self.is_in_hand):
            return self._recorded(here, "")  # it was never submitted
        if not self.id or listing.at < self.submitted_at:
            return None
        row = self._row(listing)
        state = row.state if row else ""
        # It would run a second time; its runner then finds that it was started before.
        is_requeued = state in WAITING and listing.at > self.started_at
        if row and state not in OVER and not is_requeued:
            self._over_at = math.inf
            return None
        now = time.monotonic()
        self._over_at = min(self._over_at, now)
        has_run = self.is_started or row is None or bool(row.nodes)
        if has_run and now < self._over_at + self.settle_s:
            return None
        return self._recorded(here, "REQUEUED" if is_requeued else state)

    def _recorded(self, here: Path, state: str) -> ExitRecord | None:
        """Write the record in place of the runner; a runner that still lives ends by it."""
        record = self._record(state)
        try:
            write_atomically(str(here / EXIT), record, durable=True)
        except (FileNotFoundError, NotADirectoryError):
            return as_record(record)  # its directory was removed
        except OSError:
            return None  # no space: the next look tries again
        if self.is_started and state in ("NODE_FAIL", "BOOT_FAIL", ""):
            self._fenced_at = time.monotonic()
            return None
        return as_record(record)

    def _record(self, state: str) -> dict[str, Any]:
        seconds = time.monotonic() - self.started_at if self.is_started else 0.0
        ended = {"returncode": -signal.SIGKILL, "seconds": seconds}
        if self.asked:
            return {**ended, "why": "cancel", "signal": int(signal.SIGINT)}
        if state in _LIMITS:
            return {**ended, "why": "timeout"}
        if state == "OUT_OF_MEMORY":
            return {**ended, "why": "exit", "oom_kills": 1}
        return {**ended, "why": "lost", "error": _word(state)}


def _word(state: str) -> str:
    return _WORDS.get(state, state.lower())
