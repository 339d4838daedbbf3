"""The states of a run and their reasons."""

from __future__ import annotations

import pytest

from autofinetune.core.run_state import REASONS, RunState, run_state


def test_a_run_waits_then_works() -> None:
    assert run_state(None, has_begun=False)[0] is RunState.PENDING
    assert run_state(None, has_begun=True) == (RunState.RUNNING, "")


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ("done", RunState.DONE),
        ("exhausted", RunState.DONE),
        ("target", RunState.DONE),
        ("timeout", RunState.TIMEOUT),
        ("interrupted", RunState.STOPPED),
        ("broken", RunState.ERROR),
        ("no_slot", RunState.ERROR),
        ("error: the disk is gone", RunState.ERROR),
    ],
)
def test_every_end_has_a_state_and_a_reason(end: str, state: RunState) -> None:
    found, reason = run_state(end, has_begun=True)
    assert found is state
    assert reason
    assert end in REASONS or reason == "the disk is gone"
