"""The seam of everything that can run attempts: this machine now, clusters later.

The identity of an attempt is (run, trial, attempt). Submitting the same identity twice is the
same as submitting it once, so a tuner that was killed between its plan and its submission plans
nothing anew: it submits again, and re-attaches where the attempt is alive already. The exit
record written by the runner is the truth; what an engine says is a hint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

from autofinetune.store.directory import Place

Key: TypeAlias = "tuple[int, int]"  # (trial, attempt)
Handle: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Process:
    """One process of a trial: what it does in it, and what it gets besides the trial's own.

    A service is ended with the others, and does not keep a trial going.
    """

    role: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    is_service: bool = False


@dataclass(frozen=True)
class Attempt:
    """What to run. `env` is what the trial sees besides the tuner's own environment.

    With `nni_wire` the script finds there, and beside its reports, what NNI's trial side needs.
    Where there are `processes` they are run instead of `argv` as often as the slot has ranks. What
    tells several processes apart is written in the way of `framework`. `files` are texts by name,
    to be put into `directory`, which trials see by this name; we reach it by `place`. The group of
    `metric_pattern` is an intermediate value in the output; with `has_marks` lines that begin with
    PaddleHub's mark are final results.
    """

    run: str
    trial: int
    attempt: int
    slot: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    working_dir: str
    directory: str
    log: str
    grace_s: float
    time_limit_s: float | None = None
    nni_wire: bool = False
    processes: tuple[Process, ...] = ()
    framework: str = "pytorch"
    files: Mapping[str, str] = field(default_factory=dict)
    metric_pattern: str = ""
    has_marks: bool = False
    place: Place | None = None

    @property
    def own_place(self) -> Place:
        directory = Path(self.directory)
        return self.place or Place(directory.parent, directory.name)

    @property
    def key(self) -> Key:
        return self.trial, self.attempt


class JobState(str, Enum):
    """What is known of a submitted attempt."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    EXITED = "EXITED"  # an exit record exists
    LOST = "LOST"  # it is dead and there is no exit record
    UNKNOWN = "UNKNOWN"  # the engine does not answer: changes nothing


@dataclass(frozen=True)
class ExitRecord:
    """How an attempt ended: `why` is exit, cancel, timeout or spawn.

    `returncode` is negative for a signal and None when the command could not be started, which
    `error` then explains. `leftovers` counts processes that outlived the command and were ended,
    `survivors` are those that could not be. `is_oom`: the kernel killed it for want of memory.
    """

    why: str
    returncode: int | None
    seconds: float
    error: str = ""
    leftovers: int = 0
    survivors: tuple[int, ...] = ()
    is_oom: bool = False


@dataclass(frozen=True)
class Report:
    """One line that the trial reported; `offset` is the byte after it."""

    kind: str
    score: float
    step: int | None
    offset: int


@dataclass(frozen=True)
class Observation:
    """News of one attempt: its state, and the reports since the last observation.

    `held_bytes` is memory of its cards that did not come back, told with the end of the last
    trial there.
    """

    key: Key
    state: JobState
    reports: tuple[Report, ...] = ()
    exit: ExitRecord | None = None
    held_bytes: int = 0


class Executor(ABC):
    """Runs attempts. All methods return soon; only `poll` waits."""

    @abstractmethod
    def slots(self) -> Sequence[str]:
        """The names of all places for one trial each, in order.

        Places on one device have a number behind a dot: `0.1` and `0.2`.
        """

    def obstacle(self, slot: str) -> str:
        """Why no trial can be started on a free slot at present, or nothing."""
        return ""

    @abstractmethod
    def submit(self, attempt: Attempt) -> Handle:
        """Start the attempt, or attach to it when it was started before.

        Its reports are observed from the first one on in either case.

        Returns:
            Plain JSON by which people and later tools find the attempt.

        Raises:
            OSError: the machine has no room for it; it may be submitted again.
        """

    @abstractmethod
    def poll(self, wait_s: float) -> list[Observation]:
        """Wait until something happens to a submitted attempt, at most `wait_s`; then tell it.

        An attempt observed as EXITED or LOST is forgotten afterwards.
        """

    @abstractmethod
    def wake(self) -> None:
        """End a `poll` under way; safe to call from a signal handler."""

    def request_stop(self, key: Key) -> None:
        """Let `should_stop()` be true in the attempt, so that it ends by itself.

        Asking again, or after its end, does nothing; nor does an engine without a way to ask: what
        does not stop is cancelled later.
        """
        return

    @abstractmethod
    def cancel(self, key: Key) -> None:
        """Ask the attempt to end; a second call ends it without grace. Returns at once."""

    def kill_all(self) -> None:
        """End all attempts at once, without a word; may be called by another thread."""
        return

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; attempts that run go on running."""
