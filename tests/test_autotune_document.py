"""The features in the AutoTuneExperiment manual, line by line, and the tests that cover them.

The arguments and spaces are those of its examples. These tests show that the command line accepts
each item; the test named beside it shows what the item does.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from autofinetune.cli import main
from autofinetune.core.run_state import RunState
from autofinetune.space import load_space, nni

ROOT = Path(__file__).parent.parent

# --- search spaces ------------------------------------------------------------------------------

DRAWS = "tests/space/test_draws.py::test_draws_have_the_distribution_of_the_formula"
LOADS = "tests/space/test_nni.py::test_every_type_loads"
GIVEN = "tests/space/test_nni.py::test_layers_and_inputs_are_given_with_their_places"
READ_ITS_WAY = "tests/space/test_nni.py::test_what_is_read_in_its_own_way_is_told"
END_POINTS = (
    "tests/space/test_draws.py::"
    "test_end_points_that_are_clipped_to_have_half_the_mass_or_what_is_left"
)
# Per line of the table of search methods: `_type`, an example of `_value`, tests.
TYPES: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "choice": ([0.01, 0.02, 0.1, 0.2], (DRAWS, LOADS)),
    "randint": ([1, 10], (DRAWS, LOADS)),
    "uniform": ([0, 1], (DRAWS, LOADS)),
    "quniform": ([0, 10, 2.5], (DRAWS, LOADS, END_POINTS)),
    "loguniform": ([1e-4, 0.1], (DRAWS, LOADS)),
    "qloguniform": ([1, 100, 10], (DRAWS, LOADS, END_POINTS)),
    "normal": ([0, 1], (DRAWS, LOADS)),
    "qnormal": ([0, 1, 0.5], (DRAWS, LOADS)),
    "lognormal": ([0, 1], (DRAWS, LOADS)),
    "qlognoraml": ([0, 1, 1], (DRAWS, LOADS, END_POINTS, READ_ITS_WAY)),
    "layer_choice": (["conv5x5", "conv3x3"], (LOADS, GIVEN)),
    "input_choice": ({"candidates": ["", ""], "n_chosen": 1}, (LOADS, GIVEN)),
}
SPACE = {
    "batch_size": {"_type": "choice", "_value": [512, 1024, 2048, 4096, 8092]},
    "learning_rate": {"_type": "choice", "_value": [0.0001, 0.001, 0.01, 0.1]},
}
LAYERS = {
    "first_conv": {"_type": "layer_choice", "_value": ["conv5x5", "conv3x3"]},
    "mid_conv": {"_type": "layer_choice", "_value": ["0", "1"]},
    "skip": {"_type": "input_choice", "_value": {"candidates": ["", ""], "n_chosen": 1}},
}


def space_of(*kinds: str) -> dict[str, Any]:
    return {f"x_{kind}": {"_type": kind, "_value": TYPES[kind][0]} for kind in kinds}


# --- algorithms ---------------------------------------------------------------------------------


class Algorithm(NamedTuple):
    """A tuner or assessor: its space, its example of `classArgs`, and its tests."""

    space: Mapping[str, Any]
    arguments: Mapping[str, Any]
    test: str
    tests: Mapping[str, str]


MODE = "tests/config/test_config.py::test_optimize_mode_is_another_word_for_direction"
LIES = "tests/strategies/test_history.py::test_each_liar_has_its_lie"
GP_SETTINGS = "tests/strategies/test_gp.py::test_the_noise_that_is_expected_changes_the_search"
GP_FARTHER = "tests/strategies/test_gp.py::test_a_large_kappa_or_xi_looks_further_away"
GP_KERNELS = "tests/strategies/test_gp.py::test_every_utility_and_kernel_finds_the_optimum"
COLD_START = "tests/strategies/test_gp.py::test_so_many_trials_are_random_first"
METIS_AGAIN = "tests/strategies/test_gp.py::test_metis_runs_a_doubtful_trial_once_more_if_it_may"
METIS_OPTIMUM = (
    "tests/strategies/test_gp.py::test_metis_without_candidates_goes_to_the_expected_optimum"
)
METIS_STARTS = "tests/strategies/test_gp.py::test_metis_looks_from_as_many_places_as_it_is_told"
PPO_LEARNS = "tests/strategies/test_ppo.py::test_every_option_changes_what_is_learned"
PPO_UPDATES = "tests/strategies/test_ppo.py::test_the_policy_changes_once_enough_results_are_there"
PBT_FOLLOWS = (
    "tests/strategies/test_pbt.py::test_the_worst_take_over_from_the_best_and_the_others_go_on"
)
HYPEROPT = space_of("choice", "randint", "loguniform", "qloguniform")
TUNERS: Mapping[str, Algorithm] = {
    "Random": Algorithm(
        HYPEROPT,
        {"optimize_mode": "minimize", "constant_liar_type": "min"},
        "tests/strategies/test_random_search.py::test_draws_are_even_in_each_parameter",
        {
            "optimize_mode": MODE,
            "constant_liar_type":
                "tests/strategies/test_random_search.py::test_lies_change_nothing_here",
        },
    ),
    "Anneal": Algorithm(
        HYPEROPT,
        {"optimize_mode": "minimize", "constant_liar_type": "min"},
        "tests/strategies/test_anneal.py::test_the_window_shrinks_about_good_trials",
        {
            "optimize_mode": MODE,
            "constant_liar_type":
                "tests/strategies/test_anneal.py::"
                "test_running_trials_count_where_that_is_asked_for",
        },
    ),
    "TPE": Algorithm(
        HYPEROPT,
        {"optimize_mode": "minimize", "constant_liar_type": "min"},
        "tests/strategies/test_tpe.py::test_the_good_trials_are_few_and_in_the_order_of_time",
        {
            "optimize_mode": MODE,
            "constant_liar_type":
                "tests/strategies/test_tpe.py::test_running_trials_are_lied_about",
        },
    ),
    "Evolution": Algorithm(
        SPACE,
        {"optimize_mode": "minimize", "population_size": 32},
        "tests/strategies/test_evolution.py::test_a_child_differs_from_the_winner_in_one_parameter",
        {
            "optimize_mode": MODE,
            "population_size":
                "tests/strategies/test_evolution.py::"
                "test_a_child_differs_from_the_winner_in_one_parameter",
        },
    ),
    "Batch": Algorithm(  # needs no arguments; its example has those of Evolution
        {"learning_rate": {"_type": "choice", "_value": [0.0001, 0.001, 0.01, 0.1]}},
        {"optimize_mode": "minimize"},
        "tests/strategies/test_batch.py::test_the_values_of_a_single_choice_come_in_their_order",
        {"optimize_mode": MODE},
    ),
    "GridSearch": Algorithm(
        space_of("choice", "randint", "quniform"),
        {},
        "tests/strategies/test_grid.py::test_choices_and_whole_numbers_are_a_plain_product",
        {},
    ),
    "MetisTuner": Algorithm(
        space_of("choice", "randint", "uniform", "quniform"),
        {
            "optimize_mode": "maximize",
            "no_resampling": True,
            "no_candidates": False,
            "selection_num_starting_points": 600,
            "cold_start_num": 10,
            "exploration_probability": 0.9,
        },
        METIS_OPTIMUM,
        {
            "optimize_mode": MODE,
            "no_resampling": METIS_AGAIN,
            "no_candidates": METIS_OPTIMUM,
            "selection_num_starting_points": METIS_STARTS,
            "cold_start_num": COLD_START,
            "exploration_probability": METIS_OPTIMUM,
        },
    ),
    "GPTuner": Algorithm(
        space_of("choice", "randint", "uniform", "quniform", "loguniform", "qloguniform"),
        {
            "optimize_mode": "maximize",
            "utility": "ei",
            "kappa": 5,
            "xi": 0,
            "nu": 2.5,
            "alpha": 1e-6,
            "cold_start_num": 10,
            "selection_num_warm_up": 100000,
            "selection_num_starting_points": 250,
        },
        GP_KERNELS,
        {
            "optimize_mode": MODE,
            "utility": GP_KERNELS,
            "kappa": GP_FARTHER,
            "xi": GP_FARTHER,
            "nu": GP_KERNELS,
            "alpha": GP_SETTINGS,
            "cold_start_num": COLD_START,
            "selection_num_warm_up": GP_SETTINGS,
            "selection_num_starting_points": GP_SETTINGS,
        },
    ),
    "PPOTuner": Algorithm(
        LAYERS,
        {
            "optimize_mode": "maximize",
            "trials_per_update": 20,
            "epochs_per_update": 4,
            "minibatch_size": 4,
            "ent_coef": 0.0,
            "lr": 3e-4,
            "vf_coef": 0.5,
            "max_grad_norm": 0.5,
            "gamma": 0.99,
            "lam": 0.95,
            "cliprange": 0.2,
        },
        "tests/strategies/test_ppo.py::test_it_learns_which_layers_are_good",
        {
            "optimize_mode": MODE,
            "trials_per_update": PPO_UPDATES,
            **dict.fromkeys(
                ("epochs_per_update", "minibatch_size", "ent_coef", "lr", "vf_coef",
                 "max_grad_norm", "gamma", "lam", "cliprange"),
                PPO_LEARNS,
            ),
        },
    ),
    "PBTTuner": Algorithm(
        SPACE,
        {
            "optimize_mode": "maximize",
            "population_size": 10,
            "factor": 0.2,
            "resample_probability": 0.25,
            "fraction": 0.2,
        },
        PBT_FOLLOWS,
        {
            "optimize_mode": MODE,
            "population_size": PBT_FOLLOWS,
            "factor": "tests/strategies/test_pbt.py::test_moves_end_at_the_bounds",
            "resample_probability": "tests/strategies/test_pbt.py::test_all_can_be_drawn_anew",
            "fraction": PBT_FOLLOWS,
        },
    ),
}  # fmt: skip
ASSESSOR_MODE = (
    "tests/assessors/test_conformance.py::test_the_direction_may_be_said_twice_but_not_be_two"
)
WHEN_IT_JUDGES = "tests/assessors/test_curvefitting.py::test_when_it_judges"
ASSESSORS: Mapping[str, Algorithm] = {
    "Medianstop": Algorithm(
        SPACE,
        {"optimize_mode": "maximize", "start_step": 0},
        "tests/assessors/test_medianstop.py::"
        "test_the_best_so_far_is_held_against_the_worse_middle_of_the_running_means",
        {
            "optimize_mode": ASSESSOR_MODE,
            "start_step":
                "tests/assessors/test_medianstop.py::"
                "test_it_begins_with_the_given_report_and_with_enough_completed_trials",
        },
    ),
    "Curvefitting": Algorithm(
        SPACE,
        {
            "optimize_mode": "minimize",
            "epoch_num": 20,
            "start_step": 6,
            "threshold": 0.95,
            "gap": 1,
        },
        "tests/assessors/test_curvefitting.py::"
        "test_a_curve_that_ends_below_is_stopped_and_a_good_one_is_not",
        {
            "optimize_mode": "tests/assessors/test_curvefitting.py::"
                             "test_losses_are_merits_below_zero",
            "epoch_num":
                "tests/assessors/test_curvefitting.py::"
                "test_without_epoch_num_the_end_is_that_of_the_longest_completed_trial",
            "start_step": WHEN_IT_JUDGES,
            "threshold": WHEN_IT_JUDGES,
            "gap": WHEN_IT_JUDGES,
        },
    ),
}  # fmt: skip

# --- states -------------------------------------------------------------------------------------

STATES: Mapping[str, tuple[str, ...]] = {
    "PENDING": ("tests/run/test_overview.py::test_a_run_without_an_attempt_is_pending",),
    "RUNNING": ("tests/cli/test_early_stopping.py::test_the_status_of_a_run_that_goes_on",),
    "TIMEOUT": ("tests/cli/test_early_stopping.py::test_a_run_out_of_time_says_how_to_go_on",),
    "DONE": (
        "tests/cli/test_early_stopping.py::test_hopeless_trials_end_early_whether_they_look_or_not",
        "tests/run/test_tuner.py::test_a_small_space_ends_the_run_when_it_is_used_up",
        "tests/run/test_tuner.py::test_a_run_in_which_everything_fails_still_ends",
    ),
    "ERROR": (
        "tests/run/test_overview.py::test_the_state_of_the_run",
        "tests/cli/test_run.py::test_a_script_that_fails_at_once_stops_the_run_with_one_cause",
    ),
}

# --- the manifest -------------------------------------------------------------------------------

RUNS = "tests/cli/test_manifests.py::test_the_documented_manifest_runs_as_written"
OPTIONS = "tests/manifests/test_autotune.py::test_the_documented_manifest"
NAMED = "tests/manifests/test_autotune.py::test_what_has_no_effect_is_named_with_its_line"
ALSO_NAMED = "tests/manifests/test_autotune.py::test_other_fields_of_the_spec_are_named"
MISTAKES = "tests/manifests/test_autotune.py::test_a_mistake_is_told_with_its_place"
FRAMEWORKS = "tests/cli/test_manifests.py::test_replicas_of_other_frameworks"
FIELDS: Mapping[str, tuple[str, ...]] = {
    "apiVersion": (RUNS,),
    "kind": ("tests/manifests/test_mutants.py::test_a_file_that_is_no_manifest_is_none", RUNS),
    "metadata": (NAMED,),
    "spec.maxExecSeconds": (
        OPTIONS, "tests/cli/test_manifests.py::test_the_time_of_a_manifest_ends_it"
    ),
    "spec.maxTrialNum": (
        OPTIONS, "tests/cli/test_manifests.py::test_the_number_of_trials_is_exact"
    ),
    "spec.trialConcurrency": (OPTIONS, RUNS),
    "spec.searchSpace": (
        OPTIONS, "tests/manifests/test_autotune.py::test_a_map_is_as_good_as_json", MISTAKES
    ),
    "spec.trainingConfig.type: tensorflow": (
        "tests/cli/test_manifests.py::test_tasks_of_tensorflow",
    ),
    "spec.trainingConfig.type: pytorch": (FRAMEWORKS,),
    "spec.trainingConfig.type: xgboost": (FRAMEWORKS,),
    "spec.trainingConfig.tasks": (
        "tests/manifests/test_autotune.py::test_tasks_are_in_the_order_of_their_ranks",
    ),
    "tasks.type": (
        "tests/manifests/test_autotune.py::test_a_role_of_another_framework_is_unknown",
    ),
    "tasks.replicas": (
        "tests/manifests/test_autotune.py::test_replicas_are_the_ranks_of_a_trial",
    ),
    "template.spec.securityContext": (NAMED,),
    "template.spec.containers": (
        "tests/manifests/test_autotune.py::test_only_the_first_container_is_run",
    ),
    "containers.command": (OPTIONS, RUNS),
    "containers.workingDir": (
        RUNS,
        "tests/manifests/test_autotune.py::test_a_working_directory_that_is_not_there_is_told",
    ),
    "containers.imagePullPolicy": (NAMED,),
    "containers.image": (NAMED,),
    "containers.name": (NAMED,),
    "spec.tuner": (OPTIONS, MISTAKES),
    "spec.assessor": (
        "tests/manifests/test_search.py::test_the_documented_assessor_goes_with_the_tuner",
        "tests/manifests/test_search.py::test_the_documented_curvefitting",
    ),
    "classArgs": (OPTIONS, "tests/manifests/test_autotune.py::test_a_map_is_as_good_as_json"),
    "spec.aistore": (ALSO_NAMED,),
}  # fmt: skip

# --- every line has a test and is accepted ------------------------------------------------------


@functools.cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def lines() -> list[tuple[str, str]]:
    """Return each documented item with each of its tests."""
    found = [(f"_type {name}", test) for name, (_, tests) in TYPES.items() for test in tests]
    found += [(f"field {name}", test) for name, tests in FIELDS.items() for test in tests]
    found += [(f"state {name}", test) for name, tests in STATES.items() for test in tests]
    for kind, algorithms in (("tuner", TUNERS), ("assessor", ASSESSORS)):
        for name, algorithm in algorithms.items():
            found.append((f"{kind} {name}", algorithm.test))
            found += [(f"{kind} {name} {arg}", test) for arg, test in algorithm.tests.items()]
    return found


@pytest.mark.parametrize(("thing", "test"), lines(), ids=[thing for thing, _ in lines()])
def test_what_is_documented_is_tested(thing: str, test: str) -> None:
    path, _, name = test.partition("::")
    assert name.startswith("test_")
    assert name in functions(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(folder: Path, space: Mapping[str, Any], *words: str) -> int:
    (folder / "space.json").write_text(json.dumps(space))
    return main(["train.py", "--param_file=space.json", "--gpu=cpu:1", "--dry-run", *words])


def as_words(arguments: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in arguments.items())


def separately(algorithms: Mapping[str, Algorithm]) -> list[Any]:
    """Each with all arguments of its example, with each one alone, and with none."""
    found = []
    for name, algorithm in algorithms.items():
        chosen = [{arg: value} for arg, value in algorithm.arguments.items()]
        for arguments in (*chosen, dict(algorithm.arguments), {}):
            label = "+".join(arguments) if len(arguments) < 2 else "all"
            found.append(pytest.param(algorithm, name, arguments, id=f"{name}-{label}"))
    return found


@pytest.mark.parametrize("kind", TYPES)
def test_a_search_method_is_taken(folder: Path, kind: str) -> None:
    (folder / "space.json").write_text(json.dumps(space_of(kind)))
    assert load_space(folder / "space.json").dim == 1
    assert kind in nni.TYPES or kind == "qlognoraml"


def test_no_search_method_is_left_out() -> None:
    assert {*TYPES, "qlognormal"} - {"qlognoraml"} == set(nni.TYPES)


@pytest.mark.parametrize(("algorithm", "name", "arguments"), separately(TUNERS))
def test_a_tuner_takes_its_arguments(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    algorithm: Algorithm,
    name: str,
    arguments: dict[str, Any],
) -> None:
    options = f"--strategy_options={as_words(arguments)}"
    assert plan(folder, algorithm.space, f"--tuning_strategy={name}", options) == 0
    assert "first commands:" in capsys.readouterr().out
    assert algorithm.tests.keys() == algorithm.arguments.keys()


@pytest.mark.parametrize(("algorithm", "name", "arguments"), separately(ASSESSORS))
def test_an_assessor_takes_its_arguments(
    folder: Path, algorithm: Algorithm, name: str, arguments: dict[str, Any]
) -> None:
    direction = f"--direction={algorithm.arguments['optimize_mode']}"
    options = f"--assessor_options={as_words(arguments)}"
    assert plan(folder, algorithm.space, f"--assessor={name}", options, direction) == 0
    assert algorithm.tests.keys() == algorithm.arguments.keys()


def test_an_argument_that_is_not_documented_is_refused(folder: Path) -> None:
    """So acceptance is meaningful."""
    for name, algorithm in TUNERS.items():
        words = (f"--tuning_strategy={name}", "--strategy_options=no_such=1")
        assert plan(folder, algorithm.space, *words) == 2
    for name, algorithm in ASSESSORS.items():
        words = (f"--assessor={name}", "--assessor_options=no_such=1")
        assert plan(folder, algorithm.space, *words) == 2


@pytest.mark.parametrize("name", STATES)
def test_a_state_has_its_name_and_a_line_in_the_guide(name: str) -> None:
    assert RunState(name).value == name
    assert f"\n| `{name}` |" in (ROOT / "docs/guide.md").read_text()


def test_stopped_is_the_only_state_that_is_not_documented() -> None:
    assert {state.value for state in RunState} == {*STATES, "STOPPED"}
