"""best_model is the model of the best trial, complete or absent, at any time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autofinetune.core.events import AttemptPlanned, TrialCreated, TrialEnded
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks import BestModel, best_model
from autofinetune.sinks.best_model import describe_files
from autofinetune.store.copying import copy_model
from autofinetune.store.paths import RunPaths
from tests.helpers import Recorder, config_of, flush_now, options_of, tuner_in_memory

SCORES = [0.1, 0.5, 0.3, 0.9, 0.2, 0.9]


Program = Callable[[Attempt], Played]


def program(attempt: Attempt) -> Played:
    model = Path(options_of(attempt)["saved_params_dir"])
    (model / "sub").mkdir()
    (model / "sub" / "weights").write_text(f"trial {attempt.trial}")
    return Played(SCORES[attempt.trial])


def run(root: Path, played: Program = program, sinks: tuple[Recorder, ...] = ()) -> State:
    config = config_of(popsize=3, round=2, evaluator="fulltrail")
    tuner = tuner_in_memory(
        root,
        config,
        program=played,
        slots=["a"],
        sinks=[BestModel(RunPaths(root)), *sinks],
    )
    tuner.start("run")
    return tuner.run()


def test_it_equals_the_model_of_the_best_trial(tmp_path: Path) -> None:
    state = run(tmp_path)
    assert state.best is not None
    assert state.best.id == 3
    assert describe_files(tmp_path / "best_model") == describe_files(tmp_path / "round1/model-0")
    manifest = json.loads((tmp_path / "best_model.json").read_text())
    assert manifest["trial"] == 3
    assert manifest["score"] == 0.9
    assert manifest["files"] == describe_files(tmp_path / "best_model")


def test_it_is_absent_where_the_best_model_cannot_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        if "round1" in str(source):
            raise PermissionError(13, "Permission denied", str(source))
        copy_model(source, target)

    monkeypatch.setattr(best_model, "copy_model", refuse)
    with pytest.raises(AssertionError, match=r"BestModel stopped .*Permission denied"):
        run(tmp_path)  # elsewhere this would only be a warning
    assert not (tmp_path / "best_model").exists()
    assert not (tmp_path / "best_model.json").exists()


def test_it_is_always_the_whole_model_of_one_trial(tmp_path: Path) -> None:
    seen: list[str] = []

    class Watch(Recorder):
        def flush(self, state: State) -> None:
            weights = tmp_path / "best_model/sub/weights"
            if weights.parent.parent.exists():
                seen.append(weights.read_text())

    run(tmp_path, sinks=(Watch(),))
    assert {"trial 3"} <= {*seen} <= {"trial 0", "trial 1", "trial 3"}
    assert seen[-1] == "trial 3"


def test_a_best_trial_that_saved_nothing_leaves_no_model_of_another(tmp_path: Path) -> None:
    def forgets(attempt: Attempt) -> Played:
        return Played(2.0) if attempt.trial == 4 else program(attempt)

    state = run(tmp_path, forgets)
    assert state.best is not None
    assert state.best.id == 4
    assert not (tmp_path / "best_model").exists()
    assert not (tmp_path / "best_model.json").exists()


@pytest.mark.parametrize("damage", ["truncated", "missing", "foreign"])
def test_an_interrupted_or_damaged_copy_is_made_again(tmp_path: Path, damage: str) -> None:
    state = run(tmp_path)
    weights = tmp_path / "best_model/sub/weights"
    if damage == "truncated":
        weights.write_text("tri")
    elif damage == "missing":
        weights.unlink()
    else:
        (tmp_path / "best_model/extra").touch()
    (tmp_path / ".best_model.new").mkdir()
    flush_now(BestModel(RunPaths(tmp_path)), state)
    assert describe_files(tmp_path / "best_model") == describe_files(tmp_path / "round1/model-0")
    assert not (tmp_path / ".best_model.new").exists()


def test_a_complete_copy_is_kept_on_resume(tmp_path: Path) -> None:
    state = run(tmp_path)
    before = (tmp_path / "best_model").stat().st_ino
    flush_now(BestModel(RunPaths(tmp_path)), state)
    assert (tmp_path / "best_model").stat().st_ino == before


def test_a_trial_that_became_the_best_during_a_copy_is_copied_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_copy = threading.Event()

    def slowly(source: Path, target: Path) -> None:
        assert may_copy.wait(60.0)
        copy_model(source, target)

    monkeypatch.setattr(best_model, "copy_model", slowly)
    paths, state = RunPaths(tmp_path), State()
    sink = BestModel(paths)
    for number, score in enumerate((0.5, 0.9)):
        model = paths.model(0, number)
        model.mkdir(parents=True)
        (model / "weights").write_text(f"trial {number}")
        state.apply(TrialCreated(1.0, number, 0, number, (0.5,), {}, None))
        state.apply(AttemptPlanned(1.0, number, 1, Slot("a")))
        state.apply(TrialEnded(1.0, number, 1, "COMPLETED", "", score, 1.0, True))
        sink.flush(state)
    may_copy.set()
    sink.close()
    assert json.loads((tmp_path / "best_model.json").read_text())["trial"] == 1
    assert (tmp_path / "best_model" / "weights").read_text() == "trial 1"
