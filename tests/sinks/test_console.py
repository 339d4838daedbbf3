"""Console output while a run is in progress."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from autofinetune.config.config import MOST_TRIALS
from autofinetune.config.scoring import Scoring
from autofinetune.core.events import AttemptPlanned, Event, TrialCreated, TrialEnded
from autofinetune.core.slot import Slot
from autofinetune.core.state import State, Trial
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks import Console
from autofinetune.sinks.console import end_of_log
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, play, space_of, tuner_in_memory


def run(root: Path, program: object = play, **fields: object) -> str:
    style: dict[str, bool] = {
        name: bool(fields.pop(name)) for name in ("is_coloured", "is_brief") if name in fields
    }
    config = config_of(**({"popsize": 2, "round": 2} | fields))  # type: ignore[arg-type]
    text = io.StringIO()
    console = Console(config, RunPaths(root), text, 2, **style)
    tuner = tuner_in_memory(root, config, program=program, sinks=[console])  # type: ignore[arg-type]
    tuner.start("run")
    tuner.run()
    console.close()
    return text.getvalue()


def test_one_plain_line_per_finished_trial(tmp_path: Path) -> None:
    lines = run(tmp_path).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("round 0  trial 0 (member 0)  COMPLETED  score ")
    assert "1/4 done, best " in lines[0]
    assert " left]" in lines[0]
    assert lines[3].endswith("]")
    assert "\x1b" not in "".join(lines)


def test_a_run_without_end_tells_no_total(tmp_path: Path) -> None:
    space = space_of("small")  # exhausted after three trials
    lines = run(tmp_path, lambda attempt: Played(0.5), space=space, max_trials=MOST_TRIALS,
                evaluator="fulltrail").splitlines()  # fmt: skip
    assert lines[0].endswith("[1 done, best 0.5]")


def test_a_crash_has_the_sentence_of_the_original_the_reason_and_the_log(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        log = Path(attempt.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("epoch 1\nRuntimeError: out of memory\n")
        return Played(None, returncode=1)

    text = run(tmp_path, program)
    assert "WARNING: Program which was ran with hyperparameters as lr=0.001, units=16" in text
    assert "was crashed!" in text
    assert "reason: exit:1" in text
    assert "| RuntimeError: out of memory" in text
    assert f"full log: {tmp_path}/round0/log-0.info" in text


def test_a_trial_that_reports_nothing_gets_a_hint(tmp_path: Path) -> None:
    text = run(tmp_path, lambda attempt: Played(None))
    assert "does it call autofinetune.report_final_result(score)?" in text


@pytest.mark.parametrize(
    ("scoring", "names", "hints"),
    [
        (Scoring("acc"), "loss\nval/acc\n", [
            "metric acc was never logged",
            "metrics it logged: loss, val/acc; use --metric=NAME to take one as the score",
        ]),
        (Scoring("acc"), "", [
            "metric acc was never logged", "no supported library logged a metric",
        ]),
        (Scoring(metric_pattern="acc=(.*)"), "", [
            "nothing it printed matches --metric_pattern=acc=(.*)",
        ]),
        (Scoring(), "loss\x1b[31m\n", [
            "metrics it logged: loss; use --metric=NAME to take one as the score",
        ]),
    ],
)  # fmt: skip
def test_a_metric_that_never_came_is_told_with_those_that_did(
    tmp_path: Path, scoring: Scoring, names: str, hints: list[str]
) -> None:
    def program(attempt: Attempt) -> Played:
        seen = Path(attempt.directory, "metrics-seen")
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.write_text(names)
        return Played(None)

    text = run(tmp_path, program, scoring=scoring)
    reason = "no_metric" if scoring.is_logged else "no_result"
    assert f"FAILED  {reason}" in text
    for hint in hints:
        assert hint in text


def test_a_result_before_a_bad_exit_is_shown_as_such(tmp_path: Path) -> None:
    text = run(tmp_path, lambda attempt: Played(0.5, returncode=1))
    assert "COMPLETED  score 0.5" in text
    assert "(exit_after_result:exit:1)" in text


def test_a_stopped_trial_is_shown_with_its_score_and_its_reason(tmp_path: Path) -> None:
    text = io.StringIO()
    config = config_of(popsize=2, round=1)
    console = Console(config, RunPaths(tmp_path), text, 1)
    state = State()
    reason = "assessor: worse than the median of 5 trials at step 7"
    events: list[Event] = [
        TrialCreated(1.0, 0, 0, 0, (0.5,), {"lr": 0.1}, None),
        AttemptPlanned(2.0, 0, 1, Slot("a")),
        TrialEnded(3.0, 0, 1, "STOPPED", reason, 0.25, 1.0, False, 0.5),
    ]
    state.apply_all(events)
    console.handle(events[-1], state)
    line = text.getvalue()
    assert line.startswith("round 0  trial 0 (member 0)  STOPPED  score 0.25  1.0 s  (assessor: ")
    assert "best none" in line


def test_a_space_that_is_used_up_is_told(tmp_path: Path) -> None:
    config = config_of(space_of("small"), popsize=2, round=4, evaluator="fulltrail")
    text = io.StringIO()
    console = Console(config, RunPaths(tmp_path), text, 2)
    tuner = tuner_in_memory(tmp_path, config, program=lambda a: Played(1.0), sinks=[console])
    tuner.start("run")
    tuner.run()
    assert "every configuration of the search space was tried" in text.getvalue()


def test_the_exception_is_named_with_the_line_of_the_user(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        log = Path(attempt.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(
            "Traceback (most recent call last):\n"
            '  File "/home/ann/train.py", line 7, in main\n'
            "    fit()\n"
            "ValueError: bad\x1b[31m\n"
        )
        return Played(None, returncode=1)

    lines = run(tmp_path, program).splitlines()
    assert "         exception at /home/ann/train.py:7 in main: ValueError: bad" in lines
    assert "         | ValueError: bad" in lines
    assert "\x1b" not in "".join(lines)
    coloured = run(tmp_path / "again", program, is_coloured=True).splitlines()
    assert "\x1b[1;31m         | ValueError: bad\x1b[0m" in coloured
    assert '\x1b[1m         |   File "/home/ann/train.py", line 7, in main\x1b[0m' in coloured
    assert any(line.startswith("WARNING: Program which was ran") for line in coloured)


def test_a_brief_console_prints_failures_only(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return Played(None, returncode=1) if attempt.trial == 2 else play(attempt)

    lines = run(tmp_path, program, is_brief=True).splitlines()
    assert [line for line in lines if "trial 2" in line and "FAILED" in line]
    assert not [line for line in lines if "COMPLETED" in line]


def test_the_end_of_a_log_is_safe_to_show(tmp_path: Path) -> None:
    paths, trial = RunPaths(tmp_path), Trial(0, 0, 0, {}, None)
    assert end_of_log(paths, trial) == []
    log = paths.trial_log(0, 0)
    log.parent.mkdir()
    log.write_bytes(
        b"\n".join(b"line %d" % i for i in range(100))
        + b"\n10%\r50%\r100%\n\x1b[31mred\x1b[0m\x00\xff\x9b\n\n"
        + b"x" * 2000 + b"\n"
    )  # fmt: skip
    lines = end_of_log(paths, trial)
    assert len(lines) == 12
    assert lines[-3:-1] == ["100%", "red\ufffd\ufffd"]
    assert lines[-1] == "x" * 500
