"""Prior knowledge of a run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from autofinetune.config.described import describe, from_description
from autofinetune.core.events import RunCreated, TrialEnded
from autofinetune.core.status import Direction
from autofinetune.errors import UsageError
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.run.prior import read_earlier, read_enqueued
from autofinetune.space import Space, Value, load_space
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import Known, create_strategy
from tests.helpers import MIXED, conditional_space, config_of, from_init, play, tuner_in_memory


@pytest.fixture
def space() -> Space:
    return load_space(MIXED)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# --- configurations to try first ----------------------------------------------------------------


def test_columns_are_values_and_what_is_missing_is_initial(tmp_path: Path, space: Space) -> None:
    file = write(tmp_path / "a.csv", "units,optimizer,score\n30,sgd,0.5\n40,,1\n")
    init = space.init_params
    assert read_enqueued(file, space) == [
        {"lr": init["lr"], "units": 30, "optimizer": "sgd"},
        {"lr": init["lr"], "units": 40, "optimizer": init["optimizer"]},
    ]


def test_what_is_not_active_has_no_value(tmp_path: Path) -> None:
    space = conditional_space()
    file = write(tmp_path / "a.csv", "optimizer,momentum,bias\nsgd,0.25,\nlamb,,1\nadam,,\n")
    assert read_enqueued(file, space) == [
        {"optimizer": "sgd", "momentum": 0.25, "lr": 0.5},
        {"optimizer": "lamb", "bias": 1, "lr": 0.5},
        {"optimizer": "adam", "schedule": True, "lr": 0.5},
    ]
    with pytest.raises(UsageError, match="line 2: bias has a value, but the choice"):
        read_enqueued(write(tmp_path / "b.csv", "optimizer,bias\nsgd,1\n"), space)


def test_earlier_trials_get_what_their_choices_need(tmp_path: Path) -> None:
    root = earlier_run(tmp_path / "a")
    for known in read_earlier(root, conditional_space(), Direction.MAXIMIZE):
        wanted: dict[str, dict[str, Value]] = {
            "sgd": {"momentum": 0.5},
            "lamb": {"bias": 0},
            "adam": {"schedule": True},
        }
        optimizer, lr = known.params["optimizer"], known.params["lr"]
        assert known.params == {"optimizer": optimizer, **wanted[str(optimizer)], "lr": lr}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr,units\n0.01,many\n", "line 2: 'many' is not a value of units"),
        ("lr,units\n0.01,40\n0.01,100000\n", "line 3: '100000' is not a value of units"),
        ("optimizer\nmagic\n", "line 2: 'magic' is not a value of optimizer"),
        ("a,b\n1,2\n", "has no column of a hyperparameter; its columns are: a, b"),
        ("", "its columns are: none"),
    ],
)
def test_mistakes_in_the_file_are_told(
    tmp_path: Path, space: Space, text: str, words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        read_enqueued(write(tmp_path / "a.csv", text), space)
    assert words in raised.value.message


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, space: Space) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    for name in ("missing.csv", "binary"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_enqueued(tmp_path / name, space)


@pytest.mark.parametrize("name", from_init())
def test_enqueued_configurations_follow_the_initial_values(name: str, space: Space) -> None:
    common: Mapping[str, Value] = {"lr": 0.012345678901, "optimizer": "sgd"}
    given = [{**common, "units": number} for number in range(30, 36)]
    strategy = create_strategy(name, space, popsize=3, seed=0)
    strategy.enqueue([space.init_params, *given, given[0]])
    asked = []
    for _ in range(3):
        for candidate in strategy.ask(3):
            asked.append(candidate)
            strategy.tell(candidate, 0.5)
    assert [c.params for c in asked[:7]] == [space.init_params, *given]
    assert len({tuple(c.params.values()) for c in asked}) == 9


# --- trials of earlier runs ---------------------------------------------------------------------


def earlier_run(root: Path, direction: Direction = Direction.MAXIMIZE) -> Path:
    config = config_of(direction=direction)
    paths = RunPaths(root)
    root.mkdir()
    with contextlib.closing(SqliteJournal(paths.journal, create=True)) as journal:

        def program(attempt: Attempt) -> Played:
            return Played(None, returncode=1) if attempt.trial == 1 else play(attempt)

        tuner = tuner_in_memory(root, config, program=program)
        tuner._journal = journal
        tuner.start("earlier")
        tuner.run()
    return root


def test_finished_trials_are_read_with_failed_ones(tmp_path: Path, space: Space) -> None:
    found = read_earlier(earlier_run(tmp_path / "a"), space, Direction.MAXIMIZE)
    assert len(found) == 9
    assert [known.merit is None for known in found] == [n == 1 for n in range(9)]


def test_merits_of_a_minimizing_run_are_turned(tmp_path: Path, space: Space) -> None:
    root = earlier_run(tmp_path / "a", direction=Direction.MINIMIZE)
    found = read_earlier(root, space, Direction.MINIMIZE)
    with contextlib.closing(SqliteJournal(root / "run.db", read_only=True)) as journal:
        ends = [event for event in journal.events() if isinstance(event, TrialEnded)]
    scores = {end.trial: end.score for end in ends}
    assert found[0].merit == -(scores[0] or 0.0)


def integers(**ranges: tuple[int, int]) -> Space:
    return load_space(
        {
            "param_list": [
                {"name": name, "type": "int", "greater_than": low, "lower_than": high}
                | {"init_value": high}
                for name, (low, high) in ranges.items()
            ]
        }
    )


def test_trials_outside_the_space_are_left_out(tmp_path: Path) -> None:
    root = earlier_run(tmp_path / "a")
    found = read_earlier(root, integers(units=(1, 640), new=(1, 9)), Direction.MAXIMIZE)
    assert len(found) == 9
    assert {known.params["new"] for known in found} == {9}
    units = sorted(int(str(known.params["units"])) for known in found)
    fewer = read_earlier(root, integers(units=(1, units[4])), Direction.MAXIMIZE)
    assert len(fewer) == sum(value <= units[4] for value in units)
    with pytest.raises(UsageError, match="none of its 9 finished trials fits"):
        read_earlier(root, integers(x=(1, 3)), Direction.MAXIMIZE)


def test_what_is_no_run_or_another_direction_is_refused(tmp_path: Path, space: Space) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        read_earlier(tmp_path, space, Direction.MAXIMIZE)
    (tmp_path / "run.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(UsageError, match="cannot be read"):
        read_earlier(tmp_path, space, Direction.MAXIMIZE)
    with pytest.raises(UsageError, match="that run maximized its score"):
        read_earlier(earlier_run(tmp_path / "a"), space, Direction.MINIMIZE)


def quality(params: Mapping[str, Value]) -> float:
    lr, units = float(str(params["lr"])), int(str(params["units"]))
    return -abs(lr - 0.02) * 30 - abs(units - 25) / 60


@pytest.mark.slow
@pytest.mark.parametrize("name", from_init())
def test_an_earlier_run_of_the_same_kind_helps(name: str, space: Space) -> None:
    """Compare, over seeds, the best of 12 trials with and without 40 earlier ones."""
    other = create_strategy("pshe2", space, popsize=5, seed=99)
    known = []
    for _ in range(8):
        for candidate in other.ask(5):
            merit = quality(candidate.params) * 2.0 + 7.0  # on another scale
            other.tell(candidate, merit)
            known.append(Known(candidate.params, merit))
    gained = []
    for seed in range(4):
        best = []
        for helped in (True, False):
            strategy = create_strategy(name, space, popsize=4, seed=seed)
            if helped:
                strategy.remember([*known, Known(space.init_params, None)])
            scores = []
            for _ in range(3):
                for candidate in strategy.ask(4):
                    scores.append(quality(candidate.params))
                    strategy.tell(candidate, scores[-1])
            best.append(max(scores))
        gained.append(best[0] - best[1])
    assert min(gained) >= 0.0
    assert sum(gained) > 0.0


def test_a_run_keeps_what_it_knew(tmp_path: Path, space: Space) -> None:
    config = dataclasses.replace(
        config_of(),
        enqueued=({"lr": 0.01, "units": 30, "optimizer": "sgd"},),
        earlier=(({"params": dict(space.init_params), "merit": None},),),
        repeats=2,
        strategy_options={"step": "0.4"},
    )
    event = RunCreated(0.0, "run", "1", describe(config))
    assert from_description(event.config) == config
