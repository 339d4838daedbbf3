"""The configuration of a trial, trained again from scratch."""

from __future__ import annotations

import pytest

from autofinetune.cli.lineage import read_state
from autofinetune.cli.rerun import comparison
from autofinetune.core.status import Status
from autofinetune.core.trials import Trial
from tests.cli.conftest import Done, Workplace


@pytest.fixture
def done(workplace: Workplace) -> Done:
    found = workplace.tune("--popsize=2", "--round=2", "--seed=1", "--schedule=round")
    assert found.code == 0, found.err
    return found


def test_a_trial_is_trained_again_from_scratch(workplace: Workplace, done: Done) -> None:
    before = read_state(str(workplace.root / "result")).trials[3]
    again = workplace.run("rerun", "result", "3", "--repeats=3", "--output_dir=again", "--gpu=cpu")
    assert again.code == 0, again.err
    assert "training the configuration of trial 3 of result 3 times, from scratch" in again.out
    assert "autofinetune replay result 3" in again.out
    score = f"{before.score:.6g}"
    assert f"new scores: mean {score}, standard deviation 0, from {score} to {score}" in again.out
    assert f"recorded score {before.score!r}, " in again.out
    state = read_state(str(workplace.root / "again"))
    assert len(state.trials) == 3
    for trial in state.trials.values():
        assert (trial.params, trial.parent, trial.status) == (
            before.params, None, Status.COMPLETED,
        )  # fmt: skip
        weights = workplace.root / f"again/round0/model-{trial.member}/weights"
        assert float(weights.read_text()) == 3.0  # all epochs, not those of a continued model
    assert workplace.run("resume", "again").code == 0
    assert workplace.run("rerun", "again", "1", "--output_dir=third").code == 0
    third = workplace.run("run", "again/config.yaml", "--output_dir=fourth")
    assert third.code == 0, third.err
    assert len(read_state(str(workplace.root / "fourth")).trials) == 3


def test_a_failed_trial_may_succeed_the_second_time(workplace: Workplace) -> None:
    assert workplace.tune("--popsize=2", "--round=1", "crash_at", "1").code == 0
    again = workplace.run("rerun", "result", "1", "--output_dir=again", "--gpu=cpu")
    assert again.code == 0, again.err
    assert "new score " in again.out
    assert "trial 1 has no recorded score: exit:1\n" in again.out
    failed = workplace.run("rerun", "result", "0", "--repeats=2", "--output_dir=other")
    assert failed.code == 0
    assert "1 of 2 trials completed" in failed.out
    script = workplace.root / "train.py"
    script.write_text("import sys; sys.exit(3)")
    failed = workplace.run("rerun", "result", "0", "--output_dir=third")
    assert (failed.code, "every trial failed" in failed.err) == (3, True)


def test_what_cannot_be_run_again(workplace: Workplace, done: Done) -> None:
    for words in (["99"], ["0", "--repeats=0"], ["0", "--repeats=x"], ["0", "--gpu=x,1"], []):
        refused = workplace.run("rerun", "result", *words, "--output_dir=again")
        assert refused.code == 2, words
    assert workplace.run("rerun", "nowhere", "0").code == 2
    assert workplace.run("rerun", "result", "0", "--output_dir=result").code == 2
    (workplace.root / "train.py").unlink()
    assert workplace.run("rerun", "result", "0", "--output_dir=again").code in (2, 4)
    assert not (workplace.root / "again").exists()


def trial(number: int, score: float | None, status: Status = Status.COMPLETED) -> Trial:
    return Trial(number, 0, number, {}, None, status, score=score)


@pytest.mark.parametrize(
    ("recorded", "scores", "lines"),
    [
        (trial(7, 0.5), [0.5], ["new score 0.5", "recorded score 0.5, the same"]),
        (
            trial(7, 0.5),
            [0.1, None, 0.3],
            [
                "2 of 3 trials completed",
                "new scores: mean 0.2, standard deviation 0.141421, from 0.1 to 0.3",
                "recorded score 0.5, 0.3 above",
            ],
        ),
        (
            trial(7, 0.25, Status.STOPPED),
            [0.5],
            [
                "new score 0.5",
                "recorded score 0.25, 0.25 below; an assessor stopped it, so its training was "
                "shorter",
            ],
        ),
        (trial(7, 0.5), [None], ["0 of 1 trials completed"]),
    ],
)
def test_the_scores_are_compared(
    recorded: Trial, scores: list[float | None], lines: list[str]
) -> None:
    again = [
        trial(number, score, Status.FAILED if score is None else Status.COMPLETED)
        for number, score in enumerate(scores)
    ]
    assert list(comparison(recorded, again)) == lines
