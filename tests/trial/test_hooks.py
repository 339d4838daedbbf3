"""Hooks of modules that a trial uses."""

from __future__ import annotations

from types import ModuleType

import pytest

from autofinetune.trial import hooks


def test_a_function_is_ours_in_trials_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("library")
    vars(module)["report"] = lambda score: ("theirs", score)
    monkeypatch.delenv("AUTOFINETUNE_REPORT_FILE", raising=False)
    hooks.in_trial(module, "report", lambda score: ("ours", score))  # as in the preload process
    assert module.report(1) == ("theirs", 1)
    monkeypatch.setenv("AUTOFINETUNE_REPORT_FILE", "reports.jsonl")
    assert module.report(score=2) == ("ours", 2)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1,), {}), ((1, None), {}), ((1,), {"callbacks": None}), ((), {"data": 1})],
)
def test_a_callback_is_added_however_the_others_are_given(
    monkeypatch: pytest.MonkeyPatch, args: tuple[int | None, ...], kwargs: dict[str, int | None]
) -> None:
    def train(data: int, callbacks: list[str] | None = None) -> tuple[int, list[str] | None]:
        return data, callbacks

    module = ModuleType("library")
    vars(module)["train"] = train
    hooks.with_callback(module, "train", lambda: "ours")
    wrapped = module.train
    monkeypatch.delenv("AUTOFINETUNE_METRIC", raising=False)
    assert wrapped(*args, **kwargs) == (1, None)
    monkeypatch.setenv("AUTOFINETUNE_METRIC", "acc")
    assert wrapped(*args, **kwargs) == (1, ["ours"])
    assert wrapped(1, ["theirs"]) == (1, ["theirs", "ours"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'epochs'"):
        wrapped(1, epochs=3)


def test_a_sentence_is_said_once_even_without_a_place_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hooks, "_said", set())
    for _ in range(2):
        hooks.quietly(lambda: 1 / 0)  # type: ignore[arg-type]
    assert capsys.readouterr().err == "autofinetune: ZeroDivisionError: division by zero\n"
    monkeypatch.setattr("sys.stderr", None)
    hooks.complain("nobody hears this")
