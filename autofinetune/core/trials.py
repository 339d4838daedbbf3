"""What is known about one trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from autofinetune.core.slot import NOWHERE, Slot

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
    avoid: Slot = NOWHERE  # the slot on which it failed before
    slot: Slot = NOWHERE
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
