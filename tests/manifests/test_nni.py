"""NNI configurations, versions 1 and 2: every field, and the notes about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.errors import ConfigError

from .helpers import NNI_1, NNI_2, mistakes, notes, read, swap


def test_version_1(tmp_path: Path) -> None:
    options = dict(read(tmp_path, NNI_1).options)
    assert [entry["name"] for entry in options.pop("param_list")] == ["lr"]
    assert options == {
        "evaluator": "fulltrail",
        "max_parallel": 4,
        "popsize": 4,
        "max_seconds": 7200.0,
        "max_trials": 10,
        "tuning_strategy": "tpe",
        "strategy_options": {},
        "direction": "maximize",
        "assessor": "medianstop",
        "assessor_options": {},
        "stop_grace": 0.0,
        "command": ["python3", "mnist.py"],
        "nni_wire": True,
        "working_dir": str(tmp_path),
        "gpu": "1,2",
        "trials_per_gpu": 2,
        "gpus_per_trial": 1,
        "ranks_per_trial": 1,
    }


def test_version_2(tmp_path: Path) -> None:
    more = "maxExperimentDuration: 1.5h\nmaxTrialDuration: 90\ntrialGpuNumber: 0\n"
    options = dict(read(tmp_path, more + NNI_2).options)
    assert [entry["name"] for entry in options.pop("param_list")] == ["lr"]
    assert options == {
        "evaluator": "fulltrail",
        "max_parallel": 2,
        "popsize": 2,
        "max_seconds": 5400.0,
        "trial_timeout": 90.0,
        "max_trials": 10,
        "tuning_strategy": "grid",
        "strategy_options": {},
        "direction": "minimize",
        "command": ["python3", "mnist.py"],
        "nni_wire": True,
        "working_dir": str(tmp_path),
        "gpu": "cpu:2",
    }


def test_a_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "code").mkdir()
    (tmp_path / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    text = swap(NNI_1, "codeDir: .", "codeDir: ~/code")
    options = read(
        tmp_path, swap(text, ": space.json", ": ~/space.json"), check_files=True
    ).options
    assert options["working_dir"] == str(tmp_path / "code")
    assert options["param_list"][0]["name"] == "lr"


@pytest.mark.parametrize("value", ["no", "False", "false", "off"])
def test_what_is_switched_off_is_not_missed(tmp_path: Path, value: str) -> None:
    read(tmp_path, f"useAnnotation: {value}\nmultiPhase: {value}\n{NNI_2}")
    (one,) = mistakes(tmp_path, f"useAnnotation: true\n{NNI_2}")
    assert "is not supported" in one


def test_a_space_may_lie_in_a_file(tmp_path: Path) -> None:
    space = "searchSpace:\n  lr: {_type: loguniform, _value: [0.001, 0.1]}\n"
    named = swap(NNI_2, space, "searchSpaceFile: space.json\n")
    assert read(tmp_path, named).options["param_list"][0]["lower_than"] == 1.0
    (found,) = mistakes(tmp_path, swap(named, "space.json", "none.json"))
    assert found.startswith("m.yaml:1:18 searchSpaceFile cannot read ")
    (found,) = mistakes(tmp_path, NNI_2 + "searchSpaceFile: space.json\n")
    assert found == "m.yaml:10:18 searchSpaceFile and searchSpace cannot both be given"
    (tmp_path / "bad.json").write_text('{"lr": {"_type": "uniform", "_value": [1, 0]}}')
    (found,) = mistakes(tmp_path, swap(named, "space.json", "bad.json"))
    assert found.startswith("bad.json:1:40 lr: low (1.0) must be below")


def test_names_are_known_in_any_spelling(tmp_path: Path) -> None:
    text = swap(NNI_2, "trialCommand", "trial_command")
    text = swap(text, "maxTrialNumber", "MaxTrialnumber")
    assert read(tmp_path, text).options == read(tmp_path, NNI_2).options
    (found,) = mistakes(tmp_path, NNI_2 + "trial_concurrency: 3\n")
    assert found == "m.yaml:10:20 trial_concurrency and trialConcurrency are the same field"


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ("", {"gpu": "auto:2", "gpus_per_trial": 1, "ranks_per_trial": 1}),
        ("trialGpuNumber: 0\n", {"gpu": "cpu:2"}),
        ("trialGpuNumber: 2\n", {"gpu": "auto:4", "gpus_per_trial": 2, "ranks_per_trial": 1}),
    ],
)
def test_cards_of_a_trial(tmp_path: Path, gpus: str, expected: dict[str, object]) -> None:
    options = read(tmp_path, gpus + NNI_2).options
    assert {**options, **expected} == options
    assert ("gpus_per_trial" in options) == ("gpus_per_trial" in expected)


@pytest.mark.parametrize("indices", ["[0, 3]", "'0,3'", '"0, 3"'])
def test_cards_may_be_named(tmp_path: Path, indices: str) -> None:
    service = f"{{platform: local, useActiveGpu: true, gpuIndices: {indices}}}"
    text = swap(NNI_2, "{platform: local}", service)
    assert read(tmp_path, "trialGpuNumber: 1\n" + text).options["gpu"] == "0,3"
    (found,) = mistakes(tmp_path, swap(text, indices, "first"))
    assert "trainingService.gpuIndices must be numbers of cards, found 'first'" in found


def test_a_line_for_a_shell_runs_as_one(tmp_path: Path) -> None:
    text = swap(NNI_2, "python3 mnist.py", "cd sub && python3 mnist.py > log")
    manifest = read(tmp_path, text)
    assert manifest.options["command"] == ["bash", "-c", "cd sub && python3 mnist.py > log"]
    assert any("trialCommand is a shell line and runs as one" in n for n in manifest.notes)


def test_fields_without_effect_are_named(tmp_path: Path) -> None:
    more = ("experimentName: x\nexperimentWorkingDirectory: y\nlogLevel: info\ndebugg: true\n"
            "useAnnotation: false\n")  # fmt: skip
    assert notes(tmp_path, "trialGpuNumber: 0\n" + more + NNI_2) == [
        "m.yaml:2:17 experimentName has no effect here",
        "m.yaml:4:11 logLevel has no effect here",
        "m.yaml:3:29 experimentWorkingDirectory has no effect here; --output_dir says where "
        "results go",
        "m.yaml:5:9 debugg is unknown here and not read (did you mean 'debug'?)",
    ]


def test_what_has_no_end_is_told(tmp_path: Path) -> None:
    text = "trialGpuNumber: 0\n" + swap(NNI_2, "maxTrialNumber: 10\n", "")
    assert notes(tmp_path, text) == [
        "m.yaml:1:1 no number of trials and no time limit is given: the run continues until you "
        "stop it; --max_trials=50 limits it"
    ]
    assert read(tmp_path, text).options["max_trials"] == 1_000_000
    assert notes(tmp_path, "maxExperimentDuration: 2h\n" + text) == []


@pytest.mark.parametrize(
    ("text", "old", "new", "why"),
    [
        (NNI_1, "Platform: local", "Platform: pai",
         "m.yaml:5:26 trainingServicePlatform 'pai' is not supported; trials run on this machine"),
        (NNI_2, "platform: local", "platform: remote",
         "trainingService.platform 'remote' is not supported"),
        (NNI_1, "maxExecDuration: 2h", "maxExecDuration: 2 hours",
         "m.yaml:3:18 maxExecDuration must be a duration such as 7200, 90s, 30m, 2h"),
        (NNI_1, "maxExecDuration: 2h", "maxExecDuration: 0", "must be a duration"),
        (NNI_1, "gpuNum: 1", "gpuNum: -1", "trial.gpuNum must be a whole number from 0"),
        (NNI_1, "trialConcurrency: 4\n", "", "trialConcurrency is missing; say how many trials"),
        (NNI_1, "  command: python3 mnist.py\n", "", "trial.command is missing; say how a trial"),
        (NNI_2, "python3 mnist.py", "python3 'x", "trialCommand cannot be split into words: "),
        (NNI_2, "maxTrialNumber", "useAnnotation: true\nmaxTrialNumber",
         "useAnnotation is not supported: give a search space instead of"),
        (NNI_2, "maxTrialNumber", "multiPhase: true\nmaxTrialNumber",
         "multiPhase is not supported: a trial asks for its parameters once"),
        (NNI_2, "name: GridSearch", "nam: GridSearch", "tuner.name is missing; name a strategy"),
        (NNI_2, "tuner:\n  name: GridSearch\n  classArgs: {optimize_mode: minimize}\n",
         "tuner: {}\n", "tuner is missing; name a strategy"),
        (NNI_2, "trainingService: {platform: local}", "trainingService: local",
         "trainingService must be a mapping, found 'local'"),
        (NNI_2, "tuner:\n  name: GridSearch\n  classArgs: {optimize_mode: minimize}\n", "",
         "tuner is missing; name a strategy"),
        (NNI_2, "searchSpace:\n  lr: {_type: loguniform, _value: [0.001, 0.1]}\n", "",
         "searchSpaceFile is missing; name the file of the search space"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(tmp_path: Path, text: str, old: str, new: str, why: str) -> None:
    assert any(why in found for found in mistakes(tmp_path, swap(text, old, new)))


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, swap(NNI_1, "codeDir: .", "codeDir: gone"), check_files=True)
    assert found.startswith("m.yaml:14:12 trial.codeDir 'gone': there is no directory ")


def test_what_is_said_of_cards_without_effect_is_told(tmp_path: Path) -> None:
    text = swap(swap(NNI_1, "gpuNum: 1", "gpuNum: 0"), "true}", "false}")
    told = "\n".join(notes(tmp_path, text))
    for name in ("gpuIndices", "maxTrialNumPerGpu"):
        assert f"localConfig.{name} has no effect here: trials get no card" in told
    assert "localConfig.useActiveGpu has no effect here: cards that other processes use" in told
    assert "useActiveGpu" not in "".join(notes(tmp_path, NNI_1))


def test_a_name_of_version_1_in_version_2_is_named(tmp_path: Path) -> None:
    found = notes(tmp_path, swap(NNI_2, "maxTrialNumber", "maxTrialNum"))
    assert any("maxTrialNum" in note and "did you mean 'maxTrialNumber'" in note for note in found)


def test_what_looks_like_a_macro_reaches_the_shell_as_it_is(tmp_path: Path) -> None:
    text = swap(NNI_2, "python3 mnist.py", "${CMD} --x=${envvar:A}")
    command = read(tmp_path, text).options["command"]
    assert command == ["bash", "-c", "$${CMD} --x=$${envvar:A}"]


# --- advisors, PBT ------------------------------------------------------------------------------

TUNER = "tuner:\n  name: GridSearch\n  classArgs: {optimize_mode: minimize}\n"
BUDGET = {"name": "TRIAL_BUDGET", "type": "constant"}


def advised(text: str) -> str:
    return swap(NNI_2, TUNER, text)


@pytest.mark.parametrize(
    "text",
    [
        advised("advisor: {name: Hyperband, classArgs: {optimize_mode: minimize, R: 27}}\n"),
        advised("tuner: {name: Hyperband, classArgs: {optimize_mode: minimize, R: 27}}\n"),
        swap(NNI_1, NNI_1[NNI_1.index("tuner:"):NNI_1.index("trial:")],
             "advisor:\n  builtinAdvisorName: Hyperband\n"
             "  classArgs: {optimize_mode: minimize, R: 27, exec_mode: serial}\n"),
    ],
)  # fmt: skip
def test_hyperband_is_random_search_with_its_assessor(tmp_path: Path, text: str) -> None:
    manifest = read(tmp_path, text)
    options = manifest.options
    assert (options["tuning_strategy"], options["strategy_options"]) == ("random", {})
    assert options["direction"] == "minimize"
    assert options["assessor"] == "hyperband"
    assert options["assessor_options"] == {"max_steps": "27"}
    assert options["stop_grace"] == 0
    assert options["param_list"][-1] == {**BUDGET, "value": 27}
    told = "\n".join(manifest.notes)
    assert "Hyperband is the strategy random with the assessor hyperband" in told
    assert ("exec_mode has no effect here: no bracket waits" in told) == ("serial" in text)


def test_bohb_is_tpe_with_the_assessor_of_hyperband(tmp_path: Path) -> None:
    args = "{min_budget: 3, max_budget: 27, eta: 2, optimize_mode: maximize, num_samples: 9}"
    manifest = read(tmp_path, advised(f"advisor: {{name: BOHB, classArgs: {args}}}\n"))
    options = manifest.options
    assert options["tuning_strategy"] == "tpe"
    assert options["assessor_options"] == {"max_steps": "27", "min_steps": "3", "eta": "2"}
    assert options["param_list"][-1] == {**BUDGET, "value": 27}
    told = "\n".join(manifest.notes)
    assert "BOHB is the strategy tpe with the assessor hyperband" in told
    assert "advisor.classArgs.num_samples is not an argument of BOHB and not read" in told


def test_the_arguments_of_an_advisor_have_the_defaults_of_nni(tmp_path: Path) -> None:
    for name, longest in (("Hyperband", 60), ("BOHB", 3)):
        options = read(tmp_path, advised(f"advisor: {{name: {name}}}\n")).options
        assert options["param_list"][-1] == {**BUDGET, "value": longest}
        assert options["assessor_options"] == {"max_steps": str(longest)}
        assert options["direction"] == "maximize"


def test_what_stands_beside_an_advisor_has_no_effect(tmp_path: Path) -> None:
    beside = "advisor: {name: Hyperband}\nassessor: {name: Medianstop}\n"
    manifest = read(tmp_path, swap(NNI_2, TUNER, beside + TUNER))
    assert manifest.options["assessor"] == "hyperband"
    for name in ("tuner", "assessor"):
        assert any(f"{name} has no effect here beside an advisor" in n for n in manifest.notes)
    beside = "tuner: {name: Hyperband}\nassessor: {name: Medianstop}\n"
    told = "\n".join(notes(tmp_path, advised(beside)))
    assert "assessor has no effect here beside this tuner, which stops trials itself" in told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("advisor: {name: Hyperband, classArgs: {R: 0}}\n", "classArgs.R must be a whole"),
        ("advisor: {name: Hyperband, classArgs: {R: [1]}}\n", "classArgs.R must be a whole"),
        ("advisor: {name: BOHB, classArgs: {min_budget: 9, max_budget: 3}}\n",
         "classArgs.min_budget must not be above max_budget, which is 3"),
        ("advisor: {className: Mine}\n", "advisor.className 'Mine': your own code cannot be"),
        ("advisor: {name: Hyperbandd}\n", "'Hyperbandd' is not among the strategies"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_advisor_is_told(tmp_path: Path, text: str, why: str) -> None:
    (found,) = mistakes(tmp_path, advised(text))
    assert why in found


def test_a_hyperparameter_called_like_the_budget_is_a_mistake(tmp_path: Path) -> None:
    text = swap(advised("advisor: {name: Hyperband}\n"), "  lr:", "  TRIAL_BUDGET:")
    (found,) = mistakes(tmp_path, text)
    assert "the search space must not contain TRIAL_BUDGET, which the tuner sets" in found


def test_pbt_continues_models(tmp_path: Path) -> None:
    args = "{optimize_mode: maximize, all_checkpoint_dir: /data, population_size: 4}"
    manifest = read(tmp_path, advised(f"tuner: {{name: PBTTuner, classArgs: {args}}}\n"))
    options = manifest.options
    assert options["tuning_strategy"] == "pbt"
    assert options["strategy_options"] == {"population_size": "4"}
    assert options["evaluator"] == "populationbased"
    assert options["warm_args"] == []
    assert [entry["name"] for entry in options["param_list"]] == [
        "lr", "load_checkpoint_dir", "save_checkpoint_dir",
    ]  # fmt: skip
    told = "\n".join(manifest.notes)
    assert "tuner.name continues models: a trial gets load_checkpoint_dir" in told
    assert "all_checkpoint_dir has no effect here: models are kept in the output" in told


# --- platforms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["[{platform: local}]", "[{platform: Local, reuseMode: no}]"])
def test_a_list_of_one_platform_is_one(tmp_path: Path, service: str) -> None:
    text = swap(NNI_2, "trainingService: {platform: local}", f"trainingService: {service}")
    assert read(tmp_path, text).options == read(tmp_path, NNI_2).options


HYBRID = swap(NNI_2, "{platform: local}", "[{platform: remote}, {platform: local, gpuIndices: 3}]")
REMOTE = [
    (swap(NNI_2, "platform: local", "platform: remote"), "trainingService.platform 'remote'"),
    (swap(NNI_1, "Platform: local", "Platform: pai"), "trainingServicePlatform 'pai'"),
    (HYBRID, "trainingService[0].platform 'remote'"),
]


@pytest.mark.parametrize(("text", "label"), REMOTE)
def test_another_platform_is_refused_with_the_command_that_runs_it_here(
    tmp_path: Path, text: str, label: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    (found,) = caught.value.mistakes
    assert f"{label} is not supported; trials run on this machine" in found
    assert caught.value.tip is not None
    assert caught.value.tip.endswith(f"autofinetune run {tmp_path}/m.yaml --gpu=auto")


@pytest.mark.parametrize(("text", "label"), REMOTE)
def test_with_places_on_the_command_line_the_platform_does_not_matter(
    tmp_path: Path, text: str, label: str
) -> None:
    manifest = read(tmp_path, text, given={"gpu": "cpu:2"})
    assert any(f"{label} has no effect here: trials run on this" in n for n in manifest.notes)


@pytest.mark.parametrize(
    ("old", "new", "tip"),
    [
        ("command: python3 mnist.py", "worker: {command: python3 mnist.py}", ""),
        ("searchSpacePath: space.json", "useAnnotation: true", ""),
        ("trialConcurrency: 4", "useAnnotation: true", ""),
        ("builtinTunerName: TPE", "builtinTunerName: SMAC", "--gpu=auto --tuning_strategy=tpe"),
    ],
)  # fmt: skip
def test_only_a_command_that_works_is_offered(
    tmp_path: Path, old: str, new: str, tip: str
) -> None:
    """And the rest of a file for another platform is not reported."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, swap(REMOTE[1][0], old, new))
    assert all("is not supported" in mistake for mistake in caught.value.mistakes)
    assert (caught.value.tip or "").endswith(tip)
    assert bool(caught.value.tip) is bool(tip)


# --- what the command line replaces -------------------------------------------------------------


@pytest.mark.parametrize(
    "tuner",
    ["name: SMAC", "name: DNGOTuner", "className: my.Tuner, codeDirectory: .", "name: demotuner",
     "codeDir: ."],
)  # fmt: skip
def test_a_tuner_that_is_not_here_is_told_with_the_command_that_replaces_it(
    tmp_path: Path, tuner: str
) -> None:
    text = advised(f"tuner: {{{tuner}, classArgs: {{optimize_mode: minimize, x: [1]}}}}\n")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, given={"max_trials": "3"})
    (found,) = caught.value.mistakes
    assert "m.yaml:6:" in found
    assert caught.value.tip == (
        f"to run it anyway: autofinetune run {tmp_path}/m.yaml --max_trials=3 "
        "--tuning_strategy=tpe"
    )
    options = read(tmp_path, text, given={"tuning_strategy": "gp"}).options
    assert options["direction"] == "minimize"
    assert "tuning_strategy" not in options


def test_an_assessor_is_replaced_too(tmp_path: Path) -> None:
    text = swap(advised("tuner: {name: SMAC}\n"), "training", "assessor: {className: A}\ntraining")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert len(caught.value.mistakes) == 2
    assert caught.value.tip is not None
    assert caught.value.tip.endswith("m.yaml --tuning_strategy=tpe --assessor=none")
    given = {"tuning_strategy": "gp", "assessor": "none"}
    assert "assessor" not in read(tmp_path, text, given=given).options


def test_a_replaced_tuner_still_says_what_its_scripts_read(tmp_path: Path) -> None:
    given = {"tuning_strategy": "tpe"}
    options = read(tmp_path, advised("tuner: {name: PBT}\n"), given=given).options
    assert options["evaluator"] == "fulltrail"
    assert options["param_list"][-1]["name"] == "save_checkpoint_dir"
    text = advised("advisor: {name: Hyperband}\n")
    manifest = read(tmp_path, text, given=given)
    assert manifest.options["param_list"][-1]["name"] == "TRIAL_BUDGET"
    assert manifest.options["assessor"] == "hyperband"
    assert any("Hyperband is the strategy tpe with the assessor" in n for n in manifest.notes)
    manifest = read(tmp_path, text, given={"assessor": "none"})
    assert manifest.options["param_list"][-1]["name"] == "TRIAL_BUDGET"
    assert manifest.options["tuning_strategy"] == "random"
    assert "assessor" not in manifest.options
    assert "is the strategy" not in "".join(manifest.notes)


def test_an_empty_search_space_is_told(tmp_path: Path) -> None:
    space = "searchSpace:\n  lr: {_type: loguniform, _value: [0.001, 0.1]}\n"
    (tmp_path / "none.json").write_text("{}")
    (found,) = mistakes(tmp_path, swap(NNI_2, space, "searchSpaceFile: none.json\n"))
    assert "searchSpaceFile contains no hyperparameters; give at least one" in found
    (found,) = mistakes(tmp_path, swap(NNI_2, space, "searchSpace: {}\n"))
    assert "searchSpace contains no hyperparameters; give at least one" in found
