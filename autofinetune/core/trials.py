"""The trials of a run by number; ended trials are stored packed, as there may be many."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autofinetune.space import Value


class Status(str, Enum):
    """The status of a trial."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.STOPPED)


@dataclass(frozen=True, slots=True)
class Trial:
    """The training of one candidate; it may take several attempts.

    `handle` belongs to a running attempt, `stop_reason` to one that was asked to stop.
    """

    id: int
    round: int
    member: int
    params: Mapping[str, Value]
    parent: int | None
    status: Status = Status.QUEUED
    attempt: int = 0
    lost: tuple[str, ...] = ()  # the reasons of the attempts that did not count
    avoid: str = ""  # the slot on which it failed before
    slot: str = ""
    handle: Mapping[str, Any] | None = None
    report_offset: int = 0
    reports: int = 0
    last_report: float | None = None
    stop_reason: str = ""
    reason: str = ""
    score: float | None = None
    estimate: float | None = None
    seconds: float = 0.0
    has_model: bool = False
    started_at: float | None = None


_PLAIN = [field.name for field in fields(Trial) if field.name not in ("params", "status")]
_plain = attrgetter(*_PLAIN)


class Trials(Mapping[int, Trial]):
    """A mapping from numbers to trials, in the order of creation.

    An ended trial takes about 250 bytes and is unpacked at each access; as an object it would take
    three times as much memory.
    """

    def __init__(self) -> None:
        self._all: dict[int, Trial | bytes] = {}
        # Configurations of a conditional space have only a few different sets of names.
        self._names: dict[tuple[str, ...], int] = {}
        self._names_by_number: list[tuple[str, ...]] = []

    def put(self, trial: Trial) -> None:
        """Add a trial, or replace the one with its number."""
        self._all[trial.id] = self._packed(trial) if trial.status.is_final else trial

    def __getitem__(self, number: int) -> Trial:
        found = self._all[number]
        return found if isinstance(found, Trial) else self._unpacked(found)

    def __contains__(self, number: object) -> bool:
        return number in self._all

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def _packed(self, trial: Trial) -> bytes:
        names = tuple(trial.params)
        number = self._names.setdefault(names, len(self._names))
        if number == len(self._names_by_number):
            self._names_by_number.append(names)
        values = (number, *trial.params.values())
        # marshal is unsafe for untrusted data; these bytes never leave this process.
        return marshal.dumps((_plain(trial), trial.status.value, values))

    def _unpacked(self, packed: bytes) -> Trial:
        plain, status, (number, *values) = marshal.loads(packed)
        params = dict(zip(self._names_by_number[number], values, strict=True))
        return Trial(**dict(zip(_PLAIN, plain, strict=True)), params=params, status=Status(status))
