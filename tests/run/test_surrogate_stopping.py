"""Runs whose strategy learns from reports and judges running trials (`--assessor=surrogate`)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from autofinetune.assessors import ASSESSORS, assessor_class
from autofinetune.assessors.surrogate import Surrogate
from autofinetune.core.events import TrialEnded
from autofinetune.core.state import State
from autofinetune.core.status import Direction, Status
from autofinetune.errors import UsageError
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.run.parts import make_assessor, make_parts, make_search
from autofinetune.run.tuner import Tuner
from autofinetune.store.journal import MemoryJournal
from tests.helpers import config_of, options_of, tuner_in_memory
from tests.surrogate.helpers import LINE

EPOCHS = 18


def curve_of(attempt: Attempt) -> tuple[float, ...]:
    x = float(options_of(attempt)["x"])
    return tuple(
        (1.0 - (x - 0.3) ** 2) * (1.0 - math.exp(-4.0 * t / EPOCHS)) for t in range(1, EPOCHS + 1)
    )


def training(attempt: Attempt) -> Played:
    scores = curve_of(attempt)
    return Played(
        scores[-1], seconds=EPOCHS, intermediate=scores, step_seconds=1.0, stop_seconds=0.5
    )


def losing(attempt: Attempt) -> Played:
    scores = tuple(-score for score in curve_of(attempt))
    return Played(
        scores[-1], seconds=EPOCHS, intermediate=scores, step_seconds=1.0, stop_seconds=0.5
    )


def tuner_of(root: Path, journal: MemoryJournal, **fields: object) -> Tuner:
    known = {"assessor": "surrogate", "evaluator": "fulltrail", "schedule": "async",
             "popsize": 2, "round": 10, "space": LINE}  # fmt: skip
    config = config_of(**(known | fields))  # type: ignore[arg-type]
    program = losing if config.direction is Direction.MINIMIZE else training
    return tuner_in_memory(root, config, program=program, journal=journal)


def epochs(state: State) -> float:
    return sum(trial.reports for trial in state.trials.values())


@pytest.mark.parametrize("direction", list(Direction))
def test_hopeless_trials_are_stopped_and_say_why(tmp_path: Path, direction: Direction) -> None:
    tuner = tuner_of(tmp_path, MemoryJournal(), direction=direction)
    tuner.start("run")
    state = tuner.run()
    stopped = [t for t in state.trials.values() if t.status is Status.STOPPED]
    assert len(stopped) > 5
    side = "below" if direction is Direction.MAXIMIZE else "above"
    assert all(f", {side} the best " in trial.reason for trial in stopped)
    assert all(trial.estimate is not None for trial in stopped)
    assert state.best is not None
    assert direction.merit(state.best.score or 0.0) > 0.97
    assert epochs(state) < 0.7 * len(state.trials) * EPOCHS


def test_nothing_is_stopped_before_a_training_is_complete(tmp_path: Path) -> None:
    journal = MemoryJournal()
    tuner = tuner_of(tmp_path, journal)
    tuner.start("run")
    tuner.run()
    ended = [event for event in journal.events() if isinstance(event, TrialEnded)]
    assert [event.status for event in ended[:2]] == ["COMPLETED"] * 2


def test_a_resumed_run_asks_what_the_first_one_would_have_asked(tmp_path: Path) -> None:
    journal = MemoryJournal()
    first = tuner_of(tmp_path, journal)
    first.start("run")
    first.run()
    again = tuner_of(tmp_path, MemoryJournal(list(journal.events())))
    again.resume()
    found = []
    for tuner in (first, again):
        strategy = tuner._candidates._strategy
        strategy.set_rounds(12)
        found.append([strategy.ask(1) for _ in range(3)])
    assert found[0] == found[1]
    assert len(found[0]) == 3


@pytest.mark.parametrize(
    "fields",
    [{"tuning_strategy": "random"}, {"repeats": 2}, {"evaluator": "populationbased"}],
)
def test_what_cannot_learn_from_reports_is_refused(fields: dict[str, object]) -> None:
    config = config_of(**({"assessor": "surrogate", "evaluator": "fulltrail"} | fields))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needs a strategy that learns from reports") as caught:
        make_parts(config, None)  # type: ignore[arg-type]
    assert "pshe2, hazero or gp" in (caught.value.tip or "")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Surrogate),
        ({"assessor_options": {"max_steps": "18"}}, Surrogate),
        ({"tuning_strategy": "random"}, type(None)),
        ({"repeats": 2, "assessor_options": {"max_steps": "18"}}, type(None)),
        ({"evaluator": "populationbased"}, type(None)),
    ],
)
def test_auto_is_the_surrogate_where_the_strategy_learns_from_reports(
    fields: dict[str, object], expected: type
) -> None:
    config = config_of(**({"assessor": "auto", "evaluator": "fulltrail"} | fields))  # type: ignore[arg-type]
    assert type(make_assessor(config, make_search(config))) is expected


@pytest.mark.parametrize(
    ("words", "options", "length"),
    [
        (("--lr=1", "--epochs=20"), {}, 20),
        (("--num-epochs=20",), {}, 20),
        (("--epochs=20",), {"max_steps": "18"}, 18),
        (("--epochs=1e3",), {}, 0),
        (("--epochs",), {}, 0),
        ((), {}, 0),
    ],
)
def test_the_length_may_be_on_the_command_line(
    words: tuple[str, ...], options: dict[str, str], length: int
) -> None:
    config = config_of(
        assessor="auto", assessor_options=options, script_args=words, evaluator="fulltrail"
    )
    assessor = make_assessor(config, make_search(config))
    assert assessor is not None
    assert assessor.options["max_steps"] == length


def test_only_this_one_asks_the_strategy() -> None:
    assert [name for name in ASSESSORS if assessor_class(name).asks_strategy] == ["surrogate"]
