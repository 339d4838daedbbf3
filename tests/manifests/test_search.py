"""Tuners and assessors of manifests: names, arguments, directions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autofinetune.manifests import Manifest

from .helpers import AUTOTUNE, NNI_2, mistakes, read, swap

TUNER = AUTOTUNE[AUTOTUNE.index("  tuner:") :]
DOCUMENTED: dict[str, dict[str, object]] = {
    "Random": {"optimize_mode": "minimize", "constant_liar_type": "min"},
    "Anneal": {"optimize_mode": "minimize", "constant_liar_type": "min"},
    "TPE": {"optimize_mode": "minimize", "constant_liar_type": "min"},
    "Evolution": {"optimize_mode": "minimize", "population_size": 32},
    "GridSearch": {},
    "MetisTuner": {
        "optimize_mode": "maximize", "no_resampling": True, "no_candidates": False,
        "selection_num_starting_points": 600, "cold_start_num": 10, "exploration_probability": 0.9,
    },
    "GPTuner": {
        "optimize_mode": "maximize", "utility": "ei", "kappa": 5, "xi": 0, "nu": 2.5,
        "alpha": 1e-6, "cold_start_num": 10, "selection_num_warm_up": 100000,
        "selection_num_starting_points": 250,
    },
    "PPOTuner": {
        "optimize_mode": "maximize", "trials_per_update": 20, "epochs_per_update": 4,
        "minibatch_size": 4, "ent_coef": 0.0, "lr": 3e-4, "vf_coef": 0.5, "max_grad_norm": 0.5,
        "gamma": 0.99, "lam": 0.95, "cliprange": 0.2,
    },
    "PBTTuner": {
        "optimize_mode": "maximize", "population_size": 10, "factor": 0.2,
        "resample_probability": 0.25, "fraction": 0.2,
    },
}  # fmt: skip


def told(manifest: Manifest) -> str:
    """Return the only note that is not about the rest of the manifest."""
    (note,) = (note for note in manifest.notes if "has no effect here" not in note)
    return note


def with_tuner(name: str, args: object, assessor: str = "") -> str:
    lines = [f"  tuner:\n    builtinTunerName: {name}\n"]
    if args is not None:
        lines.append(f"    classArgs: '{json.dumps(args)}'\n")
    return AUTOTUNE.replace(TUNER, "".join(lines) + assessor)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_documented_arguments_of_a_tuner(tmp_path: Path, name: str) -> None:
    args = DOCUMENTED[name]
    manifest = read(tmp_path, with_tuner(name, args))
    options = manifest.options
    assert options["tuning_strategy"] == {
        "Random": "random", "Anneal": "anneal", "TPE": "tpe", "Evolution": "evolution",
        "GridSearch": "grid", "MetisTuner": "metis", "GPTuner": "gp", "PPOTuner": "ppo",
        "PBTTuner": "pbt",
    }[name]  # fmt: skip
    assert options["direction"] == args.get("optimize_mode", "maximize")
    assert options["strategy_options"].keys() == args.keys() - {"optimize_mode"}
    assert not any("is no argument" in note for note in manifest.notes)
    continues = any("continues models" in note for note in manifest.notes)
    assert continues == (name == "PBTTuner")


def test_the_documented_batch_takes_arguments_of_another_tuner(tmp_path: Path) -> None:
    args = {"optimize_mode": "minimize", "population_size": 32}
    manifest = read(tmp_path, with_tuner("Batch", args))
    assert manifest.options["tuning_strategy"] == "batch"
    assert manifest.options["strategy_options"] == {}
    assert told(manifest).endswith(
        "m.yaml:35:66 spec.tuner.classArgs.population_size is not an argument of batch "
        "and not read"
    )


def test_the_documented_assessor_goes_with_the_tuner(tmp_path: Path) -> None:
    assessor = (
        "  assessor:\n    builtinAssessorName: Medianstop\n    classArgs: |-\n"
        '      {\n        "optimize_mode": "maximize",\n        "start_step": 0\n      }\n'
    )
    manifest = read(tmp_path, with_tuner("Anneal", DOCUMENTED["Anneal"], assessor))
    assert manifest.options["assessor"] == "medianstop"
    assert manifest.options["assessor_options"] == {"start_step": "0"}
    assert told(manifest).endswith(
        "m.yaml:40:26 spec.assessor.classArgs.optimize_mode maximize contradicts the tuner's, "
        "which is minimize and applies to both"
    )


def test_the_documented_curvefitting(tmp_path: Path) -> None:
    assessor = (
        "  assessor:\n    builtinAssessorName: Curvefitting\n    classArgs: {optimize_mode: "
        "minimize, epoch_num: 20, start_step: 6, threshold: 0.95, gap: 1}\n"
    )
    options = read(tmp_path, with_tuner("TPE", DOCUMENTED["TPE"], assessor)).options
    assert options["assessor_options"] == {
        "epoch_num": "20", "start_step": "6", "threshold": "0.95", "gap": "1",
    }  # fmt: skip


def test_a_direction_that_is_not_said_is_told(tmp_path: Path) -> None:
    for name, usual in (("TPE", "minimize"), ("GPTuner", "maximize")):
        manifest = read(tmp_path, with_tuner(name, None))
        assert manifest.options["direction"] == usual
        assert f"names no optimize_mode, so it is {usual}" in told(manifest)


def test_arguments_of_nni_have_their_places(tmp_path: Path) -> None:
    inner = "{gamma: 0.5, constant_liar_type: null, no: 1}"
    args = f"{{optimize_mode: minimize, seed: 7, tpe_args: {inner}}}"
    text = swap(swap(NNI_2, "GridSearch", "TPE"), "{optimize_mode: minimize}", args)
    manifest = read(tmp_path, text)
    assert manifest.options["seed"] == 7
    assert manifest.options["strategy_options"] == {"gamma": "0.5", "constant_liar_type": "None"}
    assert any(
        "tuner.classArgs.tpe_args.no is not an argument of tpe" in n for n in manifest.notes
    )
    (found,) = mistakes(tmp_path, swap(text, "gamma: 0.5", "gamma: fast"))
    column = args.index("0.5") + 14
    assert found.startswith(f"m.yaml:8:{column} tuner.classArgs.tpe_args.gamma must be a number")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("name: GridSearch", "name: SMAC", "'SMAC' is an NNI tuner that is not supported"),
        ("name: GridSearch", "className: my.Tuner", "your own code cannot be a strategy"),
        ("classArgs: {optimize_mode: minimize}", "classArgs: [1]", "must be a mapping, or one"),
        ("classArgs: {optimize_mode: minimize}", "classArgs: '{'", "not valid JSON"),
        ("{optimize_mode: minimize}", "{tpe_args: 3}", "tpe_args must be a mapping, found 3"),
        ("{optimize_mode: minimize}", "{optimize_mode: [1]}", "must be maximize or minimize"),
        ("{optimize_mode: minimize}", "{seed: x}", "seed must be a whole number of at least 0"),
        ("trainingService", "assessor: {name: Median}\ntrainingService",
         "assessor.name 'Median' is not among the assessors"),
        ("trainingService", "assessor: {className: A}\ntrainingService",
         "your own code cannot be an assessor"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert any(why in found for found in mistakes(tmp_path, swap(NNI_2, old, new)))
