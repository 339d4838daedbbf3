"""Commands of candidates for every evaluator, and the choice of parents."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from autofinetune.config.config import OWN_OPTIONS
from autofinetune.config.program import Program, Task
from autofinetune.core.events import AttemptPlanned, TrialCreated, TrialEnded
from autofinetune.core.slot import Slot
from autofinetune.core.state import Direction, State, Trial
from autofinetune.evaluators import EVALUATORS, Evaluator, option_names, start_of_command
from autofinetune.executors.base import Process
from autofinetune.space import Value, load_space
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import Candidate
from tests.helpers import config_of, space_of

OUT = RunPaths(Path("/out"))


def candidate(round_: int, parent: int | None = None) -> Candidate:
    return Candidate(9, round_, 0, (0.5,), {}, parent)


def evaluator_of(name: str, **fields: object) -> Evaluator:
    return EVALUATORS[name](config_of(**fields), OUT)  # type: ignore[arg-type]


def trial_of(params: dict[str, Value]) -> Trial:
    return Trial(7, 2, 1, params, None)


@pytest.mark.parametrize("name", sorted(EVALUATORS))
def test_the_command_has_constants_and_only_what_is_active(name: str) -> None:
    sweep = {"epochs": {"value": 4}, "opt": {"parameters": {"lr": {"value": [1, "a"]}}}}
    space = load_space({"parameters": {"x": {"min": 0.0, "max": 1.0}, **sweep}})
    evaluator = evaluator_of(name, space=space, script_options=("epochs", *OWN_OPTIONS))
    words = evaluator.command(trial_of({"x": 0.5}), None)[2:]
    assert words[:3] == ("--x=0.5", "--epochs=4", "--opt.lr=[1, 'a']")
    assert evaluator.warm_args() == ()  # a constant is not overridden


@pytest.mark.parametrize("name", sorted(EVALUATORS))
def test_the_environment_says_it_too_as_the_format_of_the_space_has_it(name: str) -> None:
    space = load_space(
        {
            "net": {"_type": "choice", "_value": [{"_name": "wide"}, {"_name": "deep"}]},
            "lr": {"_type": "uniform", "_value": [0, 1]},
        }
    )
    evaluator = evaluator_of(name, space=space)
    trial = trial_of({"net": "deep", "lr": 0.5})
    env = evaluator.environment(trial, None)
    assert env == {
        "AUTOFINETUNE_PARAMS": '{"net": {"_name": "deep"}, "lr": 0.5}',
        "AUTOFINETUNE_PARAMS_FILE": "",
        "AUTOFINETUNE_MODEL_PATH": "",
        "AUTOFINETUNE_SAVED_PARAMS_DIR": "/out/round2/model-1",
    }
    continued = evaluator.environment(trial, Trial(3, 1, 0, {}, None))
    assert continued == env | {"AUTOFINETUNE_MODEL_PATH": "/out/round1/model-0"}


@pytest.mark.parametrize("name", sorted(EVALUATORS))
def test_a_trial_of_a_list_gets_one_of_its_sets(name: str) -> None:
    sets = [{"lr": 0.1, "opt": "adam"}, {"lr": 0.2, "layers": [1, 2]}]
    for listed, strategy, wanted in [
        (sets, "batch", ('{"lr": 0.2, "layers": [1, 2]}', ("--lr=0.2", "--layers=[1, 2]"))),
        (sets, "random", ('{"combine_params": {"lr": 0.2, "layers": [1, 2]}}', None)),
        ([1, 2], "batch", ('{"combine_params": 2}', ("--combine_params=2",))),
    ]:
        space = load_space({"combine_params": {"_type": "choice", "_value": listed}})
        config = config_of(space, tuning_strategy=strategy)
        evaluator = EVALUATORS[name](config, OUT)
        trial = trial_of(space.decode([0.9]))
        text, words = wanted
        assert evaluator.environment(trial, None)["AUTOFINETUNE_PARAMS"] == text
        if words:
            assert evaluator.command(trial, None)[2:][: len(words)] == words
        is_whole = strategy == "batch" and listed is sets
        named = ["lr", "opt", "layers"] if is_whole else ["combine_params"]
        assert option_names(config) == named


def test_a_script_of_nni_gets_the_options_that_it_declares() -> None:
    trial, parent = trial_of({"lr": 0.5, "units": 4, "optimizer": "sgd"}), Trial(3, 1, 0, {}, None)
    fields = {"nni_wire": True, "passing": "calls", "script_args": ("--amp",)}
    plain = evaluator_of("populationbased", **fields)
    assert plain.command(trial, parent)[2:] == ("--amp",)
    both = evaluator_of(
        "populationbased", script_options=("model_path", "saved_params_dir"), **fields
    )
    assert both.command(trial, parent)[2:] == (
        "--saved_params_dir=/out/round2/model-1", "--amp", "--model_path=/out/round1/model-0",
    )  # fmt: skip


def finished(
    scores: list[float | None], saved: list[bool] | None = None, direction: str = "maximize"
) -> State:
    state = State(Direction(direction))
    for trial, score in enumerate(scores):
        has_model = saved[trial] if saved else True
        status = "FAILED" if score is None else "COMPLETED"
        state.apply(TrialCreated(1.0, trial, 0, trial, (0.5,), {}, None))
        state.apply(AttemptPlanned(1.0, trial, 1, Slot("a")))
        state.apply(TrialEnded(1.0, trial, 1, status, "", score, 1.0, has_model))
    return state


def parents(state: State, count: int) -> list[int | None]:
    """Return the parents of the next round, recorded one by one as in a run."""
    evaluator = evaluator_of("populationbased", popsize=count, exploit="better_half")
    chosen = []
    for member in range(count):
        parent = evaluator.parent(candidate(1), state)
        state.apply(TrialCreated(1.0, 100 + member, 1, member, (0.5,), {}, parent))
        chosen.append(parent)
    return chosen


@pytest.mark.parametrize("name", sorted(EVALUATORS))
def test_the_command_has_every_value_and_option(name: str) -> None:
    evaluator = evaluator_of(name, script_args=("--max_seq_len=128",))
    params: dict[str, Value] = {"lr": 1e-05, "n": 3, "opt": "a b;$(x)", "flag": True, "none": None}
    command = evaluator.command(trial_of(params), None)
    assert command[:2] == ("python", "train.py")
    assert set(command[2:]) == {
        "--lr=1e-05",
        "--n=3",
        "--opt=a b;$(x)",
        "--flag=True",
        "--none=None",
        "--saved_params_dir=/out/round2/model-1",
        "--max_seq_len=128",
    }


@pytest.mark.parametrize("name", sorted(EVALUATORS))
def test_the_first_round_has_no_parents(name: str) -> None:
    assert evaluator_of(name).parent(candidate(0), finished([0.5])) is None


def test_fulltrail_never_has_parents() -> None:
    assert evaluator_of("fulltrail").parent(candidate(3, 1), finished([0.5, 0.7])) is None


def test_the_strategy_names_the_parent_unless_a_configuration_is_trained_several_times() -> None:
    state = finished([0.5, 0.7])
    assert evaluator_of("populationbased").parent(candidate(1, 0), state) == 0
    assert evaluator_of("populationbased", repeats=2).parent(candidate(1, 0), state) == 1
    assert evaluator_of("populationbased", exploit="better_half").parent(candidate(1), state) == 1


def test_the_better_half_is_spread_evenly_best_first() -> None:
    state = finished([0.1, 0.9, 0.5, 0.7, 0.3])
    assert parents(state, 5) == [1, 3, 2, 1, 3]
    assert parents(finished([0.4, 0.2]), 3) == [0, 0, 0]


def test_lower_scores_are_better_when_minimizing() -> None:
    assert parents(finished([0.1, 0.9, 0.5, 0.7], direction="minimize"), 2) == [0, 2]


def test_failed_trials_and_trials_without_a_model_are_never_parents() -> None:
    state = finished([0.1, None, 0.9, 0.5], saved=[True, True, False, True])
    assert set(parents(state, 4)) == {3}
    assert parents(finished([None, None]), 2) == [None, None]
    assert parents(finished([0.5], saved=[False]), 1) == [None]


@pytest.mark.parametrize("completed", range(1, 12))
@pytest.mark.parametrize("popsize", [1, 4, 7])
def test_children_differ_by_one_at_most(completed: int, popsize: int) -> None:
    counts = Counter(parents(finished([i / 20 for i in range(completed)]), popsize))
    assert max(counts.values()) - min(counts.values()) <= 1
    half = -(-completed // 2)
    assert len(counts) == min(half, popsize)
    assert all(parent is not None and parent >= completed - half for parent in counts)


def continued(**fields: object) -> tuple[str, ...]:
    evaluator = evaluator_of("populationbased", **fields)
    parent = Trial(2, 0, 2, {}, None)
    return evaluator.command(trial_of({"lr": 0.1}), parent)


def test_a_continued_trial_gets_the_model_and_one_epoch() -> None:
    command = continued(script_options=("epochs", "lr", *OWN_OPTIONS))
    assert command[-2:] == ("--model_path=/out/round0/model-2", "--epochs=1")


def test_no_epochs_where_the_script_has_none_or_it_is_searched() -> None:
    assert "--epochs=1" not in continued(script_options=("lr", *OWN_OPTIONS))
    assert "--epochs=1" not in continued(script_options=None)
    entry = {"name": "epochs", "type": "int", "init_value": 2, "greater_than": 1, "lower_than": 9}
    space = load_space({"param_list": [entry]})
    assert "--epochs=1" not in continued(space=space, script_options=("epochs", *OWN_OPTIONS))


def test_warm_args_override_and_come_last() -> None:
    command = continued(
        script_options=("epochs", *OWN_OPTIONS),
        warm_args=("--epochs=3",),
        script_args=("--epochs=9",),
    )
    assert command[-1] == "--epochs=3"
    assert "--epochs=1" not in command
    assert continued(script_options=("epochs", *OWN_OPTIONS), warm_args=())[-1].startswith(
        "--model_path="
    )


def test_an_executable_that_is_no_python_file_runs_itself(tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n")
    config = config_of(script="train.sh", working_dir=str(tmp_path))
    assert start_of_command(config) == ("python", "train.sh")
    script.chmod(0o755)
    assert start_of_command(config) == (str(script),)


# --- commands -----------------------------------------------------------------------------------


def program_of(*words: str, **fields: object) -> Evaluator:
    program = Program(tuple(words), ("OWN=1",))
    return evaluator_of("fulltrail", **({"script": "", "program": program} | fields))


def test_a_command_gets_what_its_macros_say_and_nothing_besides() -> None:
    space, trial = space_of("float"), trial_of({"x0": 0.1})
    assert program_of("run", "x", space=space).command(trial, None) == ("run", "x")
    words = ("run", "${hyperparameters}", "${model_options}")
    plain = program_of(*words, space=space)
    assert plain.command(trial, None) == ("run", "--x0=0.1")
    asked = program_of(*words, space=space, script_options=(*OWN_OPTIONS, "x0"))
    parent = Trial(3, 1, 0, {}, None)
    assert asked.command(trial, parent) == (
        "run", "--x0=0.1", "--saved_params_dir=/out/round2/model-1",
        "--model_path=/out/round1/model-0",
    )  # fmt: skip
    assert start_of_command(asked.config) == ("run",)


def test_the_environment_tells_what_the_command_line_may_not() -> None:
    trial, parent = trial_of({"x0": 0.1}), Trial(3, 1, 0, {}, None)
    evaluator = program_of("run", "${args_json_file}", space=space_of("float"))
    file = str(OUT.params(7, 0))
    assert evaluator.environment(trial, parent) == {
        "OWN": "1",
        "AUTOFINETUNE_PARAMS": '{"x0": 0.1}',
        "AUTOFINETUNE_PARAMS_FILE": file,
        "AUTOFINETUNE_SAVED_PARAMS_DIR": "/out/round2/model-1",
        "AUTOFINETUNE_MODEL_PATH": "/out/round1/model-0",
    }
    assert evaluator.files(trial, None) == {"params.json": '{"x0": 0.1}'}
    assert evaluator.command(trial, None) == ("run", file)
    plain = evaluator_of("fulltrail", space=space_of("float"))
    assert plain.files(trial, None) == {}
    assert plain.environment(trial, None)["AUTOFINETUNE_PARAMS_FILE"] == ""
    assert plain.environment(trial, None)["AUTOFINETUNE_MODEL_PATH"] == ""


def test_tasks_are_processes_in_the_order_of_their_ranks() -> None:
    tasks = (Task("worker", 2, ("w", "${args}"), ("A=1",)), Task("ps", 1, ("p",)))
    program = Program(("w",), tasks=tasks)
    evaluator = program_of(space=space_of("float"), program=program, script_args=("--n=1",))
    assert evaluator.processes(trial_of({"x0": 0.1}), None) == (
        Process("worker", ("w", "--x0=0.1", "--n=1"), {"A": "1"}),
        Process("worker", ("w", "--x0=0.1", "--n=1"), {"A": "1"}),
        Process("ps", ("p", "--n=1"), {}, is_service=True),
    )
    assert evaluator_of("fulltrail").processes(trial_of({}), None) == ()
