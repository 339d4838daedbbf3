"""The verdict for each combination of result and exit status."""

from __future__ import annotations

import math

import pytest

from autofinetune.core.run_state import INTERRUPTED
from autofinetune.core.status import Status
from autofinetune.executors import ExitRecord
from autofinetune.run.verdict import Verdict, judge

OK = ExitRecord("exit", 0, 1.0)
BAD = ExitRecord("exit", 3, 1.0)
SEGV = ExitRecord("exit", -11, 1.0)
TIMEOUT = ExitRecord("timeout", -15, 1.0)
CANCEL = ExitRecord("cancel", -15, 1.0)
OOM = ExitRecord("exit", -9, 1.0, is_oom=True)
LOST = ExitRecord("lost", -9, 1.0, "preempted")
SPAWN = ExitRecord("spawn", None, 1.0, "no such file")


@pytest.mark.parametrize(
    ("record", "finals", "status", "reason", "score"),
    [
        (OK, [0.5], Status.COMPLETED, "", 0.5),
        (BAD, [0.5], Status.COMPLETED, "exit_after_result:exit:3", 0.5),
        (SEGV, [0.5], Status.COMPLETED, "exit_after_result:signal:11", 0.5),
        (TIMEOUT, [0.5], Status.COMPLETED, "exit_after_result:timeout", 0.5),
        (CANCEL, [0.5], Status.COMPLETED, "exit_after_result:cancel", 0.5),
        (None, [0.5], Status.COMPLETED, "exit_after_result:runner_lost", 0.5),
        (OK, [], Status.FAILED, "no_result", None),
        (BAD, [], Status.FAILED, "exit:3", None),
        (SEGV, [], Status.FAILED, "signal:11", None),
        (TIMEOUT, [], Status.FAILED, "timeout", None),
        (SPAWN, [], Status.FAILED, "spawn", None),
        (OOM, [], Status.FAILED, "oom", None),
        (OOM, [0.5], Status.COMPLETED, "exit_after_result:oom", 0.5),
        (CANCEL, [], None, INTERRUPTED, None),
        (None, [], Status.FAILED, "runner_lost", None),
        (LOST, [], Status.FAILED, "runner_lost:preempted", None),
        (LOST, [0.5], Status.COMPLETED, "exit_after_result:runner_lost:preempted", 0.5),
        (OK, [math.nan], Status.FAILED, "nan", None),
        (BAD, [math.inf], Status.FAILED, "nan", None),
        (OK, [0.1, 0.9, 0.3], Status.COMPLETED, "", 0.3),
        (OK, [0.1, math.nan], Status.COMPLETED, "", 0.1),
        (OK, [-1e300], Status.COMPLETED, "", -1e300),
    ],
)
def test_the_verdict(
    record: ExitRecord | None,
    finals: list[float],
    status: Status | None,
    reason: str,
    score: float | None,
) -> None:
    assert judge(record, finals) == Verdict(status, reason, score)


@pytest.mark.parametrize(
    ("record", "status", "reason", "score"),
    [
        (OK, Status.COMPLETED, "", 0.5),
        (BAD, Status.FAILED, "exit:3", None),
        (SEGV, Status.FAILED, "signal:11", None),
        (TIMEOUT, Status.FAILED, "timeout", None),
        (None, Status.FAILED, "runner_lost", None),
        (CANCEL, None, INTERRUPTED, None),
    ],
)
def test_a_strict_verdict(
    record: ExitRecord | None, status: Status | None, reason: str, score: float | None
) -> None:
    assert judge(record, [0.5], strict_exit=True) == Verdict(status, reason, score)
