"""W&B sweeps: every field, the command, and the notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.config.config import MOST_TRIALS
from autofinetune.errors import ConfigError
from autofinetune.manifests import read_manifest, read_search

from .helpers import SWEEP, mistakes, notes, options_of, read, swap


@pytest.fixture(autouse=True)
def _in_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_sweep(tmp_path: Path) -> None:
    options = options_of(tmp_path, SWEEP)
    assert [entry["name"] for entry in options.pop("param_list")] == ["lr", "layers"]
    assert options == {
        "evaluator": "fulltrail",
        "gpu": "auto",
        "tuning_strategy": "random",
        "strategy_options": {},
        "metric": "loss",
        "direction": "minimize",
        "working_dir": str(tmp_path),
        "command": ["${env}", "${interpreter}", "train.py", "${args}"],
        "max_trials": 5,
    }


def test_metric_and_method(tmp_path: Path) -> None:
    text = swap(SWEEP, "{name: loss}", "{name: acc, goal: maximize, target: 0.9, impute: best}")
    options = options_of(tmp_path, swap(text, "random", "bayes"))
    assert options["metric"] == "acc"
    assert (options["direction"], options["target_score"]) == ("maximize", 0.9)
    assert (options["tuning_strategy"], options["strategy_options"]) == ("gp", {"nu": "1.5"})
    assert notes(tmp_path, text) == [
        "m.yaml:3:58 metric.impute has no effect here",
    ]


def test_the_command_is_kept_with_its_macros(tmp_path: Path) -> None:
    command = "command: ['${env}', python3, -u, '${program}', --n=3, 4, '${args_no_hyphens}']\n"
    assert options_of(tmp_path, command + SWEEP)["command"] == [
        "${env}", "python3", "-u", "train.py", "--n=3", "4", "${args_no_hyphens}",
    ]  # fmt: skip
    without = "command: [python3, other.py, '${args}']\n"
    assert any("program is not in the command, so it is not run" in note
               for note in notes(tmp_path, without + SWEEP))  # fmt: skip
    alone = options_of(tmp_path, without + swap(SWEEP, "program: train.py\n", ""))
    assert alone["command"] == ["python3", "other.py", "${args}"]


@pytest.mark.parametrize(
    ("early", "assessor", "options"),
    [
        ("{type: hyperband, min_iter: 3}", "asha", {"min_steps": "3", "eta": "3"}),
        ("{type: hyperband, min_iter: 3, eta: 2}", "asha", {"min_steps": "3", "eta": "2.0"}),
        ("{type: hyperband, max_iter: 27, s: 2}", "hyperband",
         {"max_steps": "27", "s": "2", "eta": "3"}),
    ],
)  # fmt: skip
def test_early_terminate(
    tmp_path: Path, early: str, assessor: str, options: dict[str, str]
) -> None:
    found = options_of(tmp_path, f"early_terminate: {early}\n{SWEEP}")
    assert (found["assessor"], found["assessor_options"]) == (assessor, options)


def test_a_band_is_strict(tmp_path: Path) -> None:
    early = "early_terminate: {type: hyperband, min_iter: 3, max_iter: 9, strict: false}\n"
    found = notes(tmp_path, early + SWEEP)
    assert any("early_terminate.strict is always true here" in note for note in found)
    assert any("early_terminate.max_iter has no effect here beside min_iter" in n for n in found)


def test_fields_without_effect_are_named(tmp_path: Path) -> None:
    more = (
        "project: p\ncontroller: {type: local}\nweather: x\nprior_runs: [a]\n"
        "scheduler: {engine: optuna}\n"
    )
    assert notes(tmp_path, more + SWEEP) == [
        "m.yaml:1:10 project has no effect here",
        "m.yaml:2:13 controller has no effect here: the search runs on this machine",
        "m.yaml:5:12 scheduler has no effect here: the search runs on this machine",
        "m.yaml:4:13 prior_runs has no effect here: use --warm_start or --enqueue for earlier "
        "runs",
        "m.yaml:3:10 weather is unknown here and not read",
    ]


@pytest.mark.parametrize(("count", "trials"), [("40", 40), ("None", None), ("null", None)])
def test_the_fields_of_data_juicer_name_and_limit_the_run(
    tmp_path: Path, count: str, trials: int | None
) -> None:
    text = swap(SWEEP, "run_cap: 5\n", f"sweep_name: clean\nsweep_max_count: {count}\n")
    options = options_of(tmp_path, text)
    assert options["name"] == "clean"
    assert options["max_trials"] == (trials or MOST_TRIALS)
    assert not [note for note in notes(tmp_path, text) if "sweep_" in note]
    assert options_of(tmp_path, f"run_cap: 7\n{text}")["max_trials"] == 7


def test_of_several_metrics_the_first_is_used(tmp_path: Path) -> None:
    several = "metrics: [{name: acc, goal: maximize}, {name: size}]"
    text = swap(SWEEP, "metric: {name: loss}", several)
    options = options_of(tmp_path, text)
    assert (options["metric"], options["direction"]) == ("acc", "maximize")
    assert notes(tmp_path, text) == [
        "m.yaml:3:40 metrics[1] has no effect here: the first metric is the score"
    ]
    both = notes(tmp_path, f"{several}\n{SWEEP}")
    assert any("metrics has no effect here beside metric" in note for note in both)
    assert options_of(tmp_path, f"{several}\n{SWEEP}")["metric"] == "loss"


def test_a_score_without_a_name_is_what_the_script_reports(tmp_path: Path) -> None:
    text = swap(SWEEP, "metric: {name: loss}\n", "")
    assert options_of(tmp_path, text)["direction"] == "minimize"
    (note,) = notes(tmp_path, text)
    assert "metric.name is not given: the score is what the script reports by" in note


def test_an_option_takes_the_place_of_what_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        swap(swap(SWEEP, "random", "custom"), "run_cap: 5", "early_terminate: {type: envelope}")
    )
    found = read_manifest(tmp_path / "m.yaml", check_files=False,
                          given={"tuning_strategy": "tpe", "assessor": "none"})  # fmt: skip
    assert found is not None
    assert not {"tuning_strategy", "assessor"} & found.options.keys()


@pytest.mark.parametrize(
    ("old", "new", "tip"),
    [
        ("method: random", "method: custom",
         "to run it anyway: autofinetune run m.yaml --tuning_strategy=tpe"),
        ("run_cap: 5", "early_terminate: {type: hyperband, max_iter: 9}",
         "to run it anyway: autofinetune run m.yaml --assessor=none"),
        ("program: train.py\n", "",
         "give the script first: autofinetune train.py --param_file=m.yaml --gpu=auto"),
        ("train.py", "no/such.py",
         "run it in the directory of its program, or give the path of the script: autofinetune "
         "<directory>/such.py --param_file=m.yaml --gpu=auto"),
    ],
)  # fmt: skip
def test_what_to_type_instead(tmp_path: Path, old: str, new: str, tip: str) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "m.yaml").write_text(swap(SWEEP, old, new))
    with pytest.raises(ConfigError) as caught:
        read_manifest(Path("m.yaml"))
    assert caught.value.tip == tip


# --- for a script of the command line -----------------------------------------------------------


def test_the_search_of_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "early_terminate: {type: hyperband, min_iter: 3}\n" + swap(SWEEP, "random", "bayes")
    )
    found = read_search(tmp_path / "m.yaml")
    assert found is not None
    options = dict(found.options)
    assert [entry["name"] for entry in options.pop("param_list")] == ["lr", "layers"]
    assert options == {
        "evaluator": "fulltrail",
        "tuning_strategy": "gp",
        "strategy_options": {"nu": "1.5"},
        "metric": "loss",
        "direction": "minimize",
        "max_trials": 5,
        "assessor": "asha",
        "assessor_options": {"min_steps": "3", "eta": "3"},
    }
    assert [note.partition(" ")[2] for note in found.notes] == [
        "program has no effect here: the script of the command line is run"
    ]


def test_parameters_alone_say_nothing_of_the_search(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("parameters: {x: {min: 0, max: 3}}\n")
    assert read_search(tmp_path / "m.yaml") is None
    (tmp_path / "m.yaml").write_text("run_cap: 3\nparameters: {x: {min: 0, max: 3}}\n")
    found = read_search(tmp_path / "m.yaml")
    assert found is not None
    assert found.options.keys() == {"evaluator", "max_trials", "param_list"}


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("method: random", "method: bayesian", "m.yaml:2:9 method 'bayesian' is unknown; use one"),
        ("method: random\n", "", "method is missing; use one of: grid, random, bayes"),
        ("run_cap: 5", "run_cap: x", "m.yaml:4:10 run_cap must be a whole number"),
        ("{name: loss}", "{goal: lower}", "metric.goal 'lower' is unknown"),
        ("{name: loss}", "{target: low}", "metric.target must be a finite number"),
        ("program: train.py", "program: x\ncommand: python", "command must be a list of words"),
        ("program: train.py", "program: x\ncommand: ['${arg}']",
         "m.yaml:2:11 command[0]: macro ${arg} is unknown"),
        ("program: train.py", "command: ['${program}']", "program is missing; name the script"),
        ("program: train.py", "project: x",
         "m.yaml:1:1 neither program nor command says what a trial runs"),
        ("method: random", "method: custom", "method custom is a search by your own code"),
        ("parameters:\n  lr: {min: 0.001, max: 0.1}\n  layers: {values: [1, 2, 3]}\n",
         "scheduler: {engine: optuna, search_space: x.py}\n",
         "parameters is missing; give the hyperparameters as parameters; scheduler.search_space"),
        ("run_cap: 5", "early_terminate: {type: median}", "early_terminate.type 'median' is unk"),
        ("run_cap: 5", "early_terminate: {type: hyperband}", "min_iter is missing; give min_iter"),
        ("run_cap: 5", "early_terminate: {type: hyperband, s: 2}", "max_iter and s must be given"),
        ("run_cap: 5", "early_terminate: {type: hyperband, min_iter: 1, eta: 1}",
         "early_terminate.eta must be at least 1.1, found 1.0"),
        ("{min: 0.001, max: 0.1}", "{min: 1.0, max: 0.1}", "m.yaml:6:13 lr: min (1.0) must be"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(tmp_path: Path, old: str, new: str, why: str) -> None:
    found = mistakes(tmp_path, swap(SWEEP, old, new))
    assert any(why in line for line in found), found


def test_where_the_program_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = mistakes(tmp_path, SWEEP, check_files=True)
    assert found.startswith("m.yaml:1:10 program 'train.py': there is no such file in ")
    (tmp_path / "train.py").touch()
    assert read(tmp_path, SWEEP, check_files=True).notes == ()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    manifest = read(tmp_path, SWEEP, check_files=True)
    assert manifest.options["working_dir"] == str(tmp_path)
    assert any("program is next to this file" in note for note in manifest.notes)


def test_words_of_the_command_are_those_of_pyyaml(tmp_path: Path) -> None:
    words = "['python', '${program}', --rev, 12e4567, --n, 1e3, --x, 1.5, --o, 010, '${args}']"
    found = read(tmp_path, f"command: {words}\n{SWEEP}").options["command"]
    assert found == [
        "python", "train.py", "--rev", "12e4567", "--n", "1e3", "--x", "1.5", "--o", "8", "${args}"
    ]  # fmt: skip


def test_a_command_that_hands_nothing_over_is_told(tmp_path: Path) -> None:
    text = "command: ['${env}', '${interpreter}', '${program}']\n" + SWEEP
    assert any("m.yaml:1:10 command passes no hyperparameters" in note
               for note in notes(tmp_path, text))  # fmt: skip
    assert not any("passes no" in note for note in notes(tmp_path, SWEEP))


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("src.train", "['${env}', '${interpreter}', -m, '${program}', '${args}']"),
        ("python3", "['${env}', '${program}', train.py, '${args}']"),
    ],
)
def test_a_program_need_not_be_a_script(tmp_path: Path, program: str, command: str) -> None:
    text = f"command: {command}\n" + swap(SWEEP, "program: train.py", f"program: {program}")
    options = read(tmp_path, text, check_files=True).options
    assert program in options["command"]
    assert options["working_dir"] == str(tmp_path)
