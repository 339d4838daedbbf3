"""Hooks of modules that a trial uses."""

from __future__ import annotations

from types import ModuleType

import pytest

from autofinetune.trial import hooks


def test_a_function_is_ours_in_trials_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("library")
    vars(module)["report"] = lambda score: ("theirs", score)
    monkeypatch.delenv("AUTOFINETUNE_REPORT_FILE", raising=False)
    hooks.in_trial(module, "report", lambda score: ("ours", score))  # as in what preloads it
    assert module.report(1) == ("theirs", 1)
    monkeypatch.setenv("AUTOFINETUNE_REPORT_FILE", "reports.jsonl")
    assert module.report(score=2) == ("ours", 2)
