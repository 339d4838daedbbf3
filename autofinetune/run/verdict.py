"""The outcome of an attempt, from its exit status and its reports.

                     exit code 0      any other end
    finite result    COMPLETED        COMPLETED, reason exit_after_result:<end>
    no result        FAILED no_result FAILED <end>        (no_metric if a metric was expected)
    NaN or infinite  FAILED nan       FAILED nan

With --strict_exit a finite result needs exit code 0; any other end is FAILED <end>.

<end> is `exit:<code>`, `signal:<number>`, `timeout`, `oom`, `spawn`, `runner_lost` or, if the
engine knows why, `runner_lost:<word>`. The last finite final report counts. A failed trial has no
score anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autofinetune.core.run_state import INTERRUPTED
from autofinetune.core.status import Status
from autofinetune.executors import ExitRecord

SUCCESS = "exit:0"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a trial; `status` None puts it back into the queue."""

    status: Status | None
    reason: str
    score: float | None = None


def judge(
    record: ExitRecord | None,
    finals: Sequence[float],
    *,
    strict_exit: bool = False,
    missing: str = "no_result",
) -> Verdict:
    """Return the verdict on a finished attempt.

    `record` is None if the runner was lost. `finals` are the final reports in order, including
    non-finite ones. `missing` is the reason for a failure with exit code 0 and no result.
    """
    end = how_it_ended(record)
    finite = [score for score in finals if math.isfinite(score)]
    if finite and (end == SUCCESS or not strict_exit):
        reason = "" if end == SUCCESS else f"exit_after_result:{end}"
        return Verdict(Status.COMPLETED, reason, finite[-1])
    if record is None:
        return Verdict(Status.FAILED, end)
    if record.why in ("cancel", "tuner_died"):
        return Verdict(None, INTERRUPTED)
    if finals and not finite:
        return Verdict(Status.FAILED, "nan")
    return Verdict(Status.FAILED, missing if end == SUCCESS else end)


def how_it_ended(record: ExitRecord | None) -> str:
    """Return `<end>` of the table above; `exit:0` is success."""
    if record is None:
        return "runner_lost"
    if record.why == "lost":
        return f"runner_lost:{record.error}"
    if record.why in ("timeout", "cancel", "tuner_died"):
        return record.why
    if record.returncode is None:
        return "spawn"
    if record.is_oom:
        return "oom"
    return f"signal:{-record.returncode}" if record.returncode < 0 else f"exit:{record.returncode}"
