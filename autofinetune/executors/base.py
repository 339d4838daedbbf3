"""The interface of everything that can run attempts: this machine now, clusters later.

The identity of an attempt is (run, trial, attempt). Submitting it twice has the same effect as
submitting it once, so a tuner killed between planning and submitting submits it again. The exit
record written by the runner is authoritative; what an engine says is only a hint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

from autofinetune.core.slot import Slot
from autofinetune.executors.devices.slots import Slots
from autofinetune.store.directory import Place

Key: TypeAlias = "tuple[int, int]"  # (trial, attempt)
Handle: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Process:
    """One process of a trial: its role, and its variables in addition to the trial's.

    A service is terminated with the others and does not keep a trial running.
    """

    role: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    is_service: bool = False


@dataclass(frozen=True)
class Attempt:
    """What to run.

    Attributes:
        env: variables of the trial in addition to the tuner's own environment.
        directory: the attempt's directory, by the path that trials see; we reach it by `place`.
        nni_wire: whether to provide the variables and files that NNI's trial side needs.
        processes: run instead of one process with `argv` for each rank of the slot.
        framework: whose variables tell several processes apart.
        files: texts by name, to be written into `directory`.
        metric_pattern: a regular expression whose group is an intermediate value in the output.
        has_marks: whether output lines that begin with PaddleHub's mark are final results.
        model: the directory into which it saves its model; empty if it saves none.
        reads: directories in the output directory that it reads, such as the parent's model.
    """

    run: str
    trial: int
    attempt: int
    slot: Slot
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
    model: str = ""
    reads: tuple[str, ...] = ()
    place: Place | None = None

    @property
    def own_place(self) -> Place:
        directory = Path(self.directory)
        return self.place or Place(directory.parent, directory.name)

    @property
    def key(self) -> Key:
        return self.trial, self.attempt


class JobState(str, Enum):
    """What is known about a submitted attempt."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    EXITED = "EXITED"  # an exit record exists
    LOST = "LOST"  # it is dead and there is no exit record
    UNKNOWN = "UNKNOWN"  # the engine does not answer; nothing changes


@dataclass(frozen=True)
class ExitRecord:
    """How an attempt ended: `why` is exit, cancel, timeout, spawn or lost.

    `returncode` is negative for a signal, and None if the command could not be started; `error`
    then says why. `leftovers` counts processes that outlived the command and were killed;
    `survivors` are the pids of those that could not be killed. `is_oom` says whether the kernel
    killed the command because memory ran out. `signal` is the signal that asked the runner to end
    early, 0 for none. An engine that learns why an attempt was lost writes that record itself;
    `error` is then a word.
    """

    why: str
    returncode: int | None
    seconds: float
    error: str = ""
    leftovers: int = 0
    survivors: tuple[int, ...] = ()
    is_oom: bool = False
    signal: int = 0


@dataclass(frozen=True)
class Report:
    """One line that the trial reported; `offset` is the position of the byte after it."""

    kind: str
    score: float
    step: int | None
    offset: int


@dataclass(frozen=True)
class Observation:
    """News of one attempt: its state, and the reports since the last observation.

    `held_bytes` is the memory of its cards that was not freed. It is set when the last trial on a
    card ends. `node` names the machine on which it runs, if that is not the tuner's.
    """

    key: Key
    state: JobState
    reports: tuple[Report, ...] = ()
    exit: ExitRecord | None = None
    held_bytes: int = 0
    node: str = ""


class Executor(ABC):
    """Runs attempts. Only `poll` waits; all other methods return quickly."""

    can_change_slots = False
    """Whether `change_slots` works."""
    has_queue = False
    """Whether submitted attempts may wait; `poll` returns `JobState.RUNNING` once they run."""

    @abstractmethod
    def slots(self) -> Sequence[Slot]:
        """Return all slots, in order; each has room for one trial."""

    def change_slots(self, slots: Slots) -> None:
        """Replace all slots; running attempts on slots that are gone continue.

        Only called if `can_change_slots`.
        """
        raise NotImplementedError

    def obstacle(self, slot: Slot) -> str:
        """Return why no trial can be started on a free slot now, or an empty string."""
        return ""

    @abstractmethod
    def submit(self, attempt: Attempt) -> Handle:
        """Start the attempt, or attach to it if it was started before.

        In both cases its reports are observed from the first one on. Return plain JSON that helps
        people and other tools to find the attempt. Raise OSError if the machine lacks the
        resources; the attempt may be submitted again.
        """

    @abstractmethod
    def poll(self, wait_s: float) -> list[Observation]:
        """Wait at most `wait_s` for news of submitted attempts, and return it.

        An attempt observed as EXITED or LOST is forgotten afterwards.
        """

    @abstractmethod
    def wake(self) -> None:
        """Make a running `poll` return; safe to call from a signal handler."""

    def request_stop(self, key: Key) -> None:
        """Make `should_stop()` true in the attempt; asking again, or after the end, has no effect.

        An engine that cannot ask does nothing: an attempt that does not stop is cancelled later.
        """
        return

    @abstractmethod
    def cancel(self, key: Key) -> None:
        """Terminate the attempt; a second call kills it at once. Returns immediately."""

    def kill_all(self) -> None:
        """Kill all attempts at once, without any record; may be called by another thread."""
        return

    @abstractmethod
    def close(self) -> None:
        """Release all resources; running attempts continue."""
