"""A recipe and a sweep as the options of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autofinetune.errors import ConfigError, EnvironmentProblem, UsageError
from autofinetune.recipe.objectives import Settings
from autofinetune.recipe.search import SCRIPT, Wanted, refuse_script, source_of_search
from autofinetune.recipe.trial import _hyperparameters, _write_recipe, parser
from autofinetune.run.session import configured, examined

# Both as they come with Data-Juicer, in tools/hpo/configs, with fewer comments.
PROCESS = """\
# Process config example for dataset
project_name: 'demo-process-hpo'
dataset_path: 'demo-redpajama-c4-refined.jsonl'
np: 4  # number of subprocess to process your dataset

export_path: './outputs/demo-hpo-process/demo-hpo-processed.jsonl'

process:
  - character_repetition_filter: # repetition
      rep_len: 10                  # repetition length for char-level n-gram
      min_ratio: 0.0
      max_ratio: 0.5
  - text_length_filter:
      min_len: 10        # the min length of filter range
      max_len: 10000
"""
SWEEP = """\
sweep_name: hpo_for_data-juicer
sweep_max_count: 1000  # the maximal number of trials; `None` for unlimited

method: bayes   # ["random", "grid", "bayes"]

metric:
  name: quality_score  # defined in hpo/objects.py
  goal: maximize  # ["maximize", "minimize", +"target"]

parameters:
# can be [single value, multiple values, probabilities, distribution, nested]
  character_repetition_filter.rep_len:
      values: [2, 4, 8, 16]
  character_repetition_filter.max_ratio:
    values: [0.3, 0.5, 0.7]
  text_length_filter.min_len:
      distribution: q_log_uniform_values
      min: 256
      max: 8192

early_terminate:
  type: hyperband
  max_iter: 27
  s: 2
"""


class Case:
    """The files of a search, and what is typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe(PROCESS)
        self.sweep(SWEEP)
        self.notes: list[str] = []

    def recipe(self, text: str) -> None:
        (self.folder / "recipe.yaml").write_text(text)

    def sweep(self, text: str, name: str = "sweep.yaml") -> None:
        self.hpo = self.folder / name
        self.hpo.write_text(text)

    def options(self, *, given: dict[str, Any] | None = None, **own: Any) -> dict[str, Any]:
        wanted = Wanted(self.folder / "recipe.yaml", self.hpo, **own)
        typed = {"gpu": "cpu:2", **(given or {})}
        return dict(source_of_search(wanted, typed, self.notes.append).options)

    def words(self, **own: Any) -> dict[str, str]:
        """The words for the script of a trial."""
        pairs = (word[2:].split("=", 1) for word in self.options(**own)["script_args"])
        return dict(pairs)

    def mistake(self, **own: Any) -> str:
        with pytest.raises(UsageError) as caught:
            self.options(**own)
        return f"{caught.value.message} {caught.value.tip}"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_the_files_of_data_juicer_run_as_they_are(case: Case) -> None:
    options = case.options(given={"preload": "none"})  # what it names is not installed here
    config = examined(configured(options), options, case.notes.append)
    assert config.script == str(SCRIPT)
    assert config.planned == 1000
    assert (config.name, config.direction.value) == ("hpo_for_data-juicer", "maximize")
    assert (config.tuning_strategy, config.assessor) == ("gp", "hyperband")
    assert config.evaluator == "fulltrail"
    length = config.space.parameters[2]
    assert {type(length.decode(u)) for u in (0.0, 0.3, 1.0)} == {int}
    assert config.space.init_params["character_repetition_filter.max_ratio"] == 0.5
    words = dict(word[2:].split("=", 1) for word in config.script_args)
    assert words["objective"] == "quality_score"
    # Its early_terminate judges at 3 and 9 of 27.
    assert (words["shares"], words["full"]) == ("0.111111,0.333333,1", "27")
    assert not [note for note in case.notes if "unknown" in note], case.notes


def test_a_trial_writes_its_own_recipe_with_typed_values(case: Case) -> None:
    folder = case.folder / "model"
    words = ["--text_length_filter.min_len=300.0", "--character_repetition_filter.max_ratio=1"]
    config = case.folder / "recipe.yaml"
    recipe, export = _write_recipe(config, _hyperparameters(words), folder)
    assert export == folder / "demo-hpo-processed.jsonl"
    expected = PROCESS.replace("min_len: 10 ", "min_len: 300 ").replace("0.5", "1.0")
    assert recipe.read_text() == expected
    with pytest.raises(UsageError, match="must be an int"):
        _write_recipe(config, {"text_length_filter.min_len": 0.5}, folder)


def test_every_word_for_a_trial_is_one_of_its_options(case: Case) -> None:
    held_out = case.folder / "held.jsonl"
    held_out.write_text(json.dumps({"text": "a", "label": "b"}) + "\n")
    settings = Settings(held_out=held_out, label="label", command="echo 1", tokens=9)
    words = case.options(objective="downstream_task + kept", settings=settings)["script_args"]
    found, rest = parser().parse_known_args([*words, "--saved_params_dir=x", "--op.arg=3"])
    assert rest == ["--op.arg=3"]
    assert (found.held_out, found.tokens, found.command) == (held_out, 9, "echo 1")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("filter.rep_len", "filter.repeat", 13, r"has no argument 'repeat'; it has: .*max_ratio"),
        ("text_length_filter", "text_filter", 17, r"no operator 'text_filter'; it has: .*did you"),
        ("[2, 4, 8, 16]", "[2, 4.5]", 13, r"rep_len: 4.5 must be an int"),
        ("[0.3, 0.5, 0.7]", "[many]", 15, r"max_ratio: 'many' must be a float"),
    ],
)
def test_a_mistake_in_the_sweep_has_its_line(
    case: Case, old: str, new: str, line: int, message: str
) -> None:
    case.sweep(SWEEP.replace(old, new))
    told = case.mistake()
    assert re.search(rf"sweep.yaml:{line}:\d+ .*{message}", told), told


def test_the_objective_decides_the_direction(case: Case) -> None:
    assert case.options(objective="kept - quality_score")["direction"] == "minimize"
    assert case.options(given={"direction": "minimize"})["direction"] == "minimize"
    command = Settings(command="wc -l")
    case.sweep(SWEEP.replace("goal: maximize", "goal: minimize"))
    assert case.options(settings=command)["direction"] == "minimize"
    assert case.options(objective="quality_score")["direction"] == "maximize"
    case.sweep(SWEEP.partition("metric:")[0] + SWEEP[SWEEP.index("parameters:") :])
    assert case.options()["direction"] == "maximize"
    assert case.words()["objective"] == "quality_score"
    assert case.words(settings=command)["objective"] == "command"


def test_a_metric_that_is_no_objective_has_its_line(case: Case) -> None:
    case.sweep(SWEEP.replace("name: quality_score", "name: val_loss"))
    told = case.mistake()
    assert "sweep.yaml:7:" in told
    assert "there is no objective 'val_loss'; use: quality_score" in told
    assert "--objective_command=CMD" in told


def test_what_an_objective_lacks_is_said_before_a_trial(case: Case) -> None:
    assert "--held_out is missing" in case.mistake(objective="downstream_task")
    with pytest.raises(EnvironmentProblem, match="model_loss needs the package torch"):
        case.options(objective="model_loss")


def test_a_list_of_hyperparameters_is_enough(case: Case) -> None:
    entry = {"name": "text_length_filter.min_len", "type": "float", "init_value": 20.0,
             "greater_than": 1.5, "lower_than": 90.5}  # fmt: skip
    case.sweep(json.dumps({"param_list": [entry]}), "hparam.json")
    (found,) = case.options()["param_list"]
    assert (found["type"], found["init_value"]) == ("int", 10)  # where the recipe begins
    assert (found["greater_than"], found["lower_than"]) == (2, 90)


@pytest.mark.parametrize(
    ("spec", "init"),
    [
        ("distribution: q_log_uniform_values, min: 5, max: 300", 10),
        ("distribution: q_uniform, min: 0, max: 300, q: 7", 147),  # 10 is no multiple of 7
        ("distribution: q_normal, mu: 40, sigma: 5", 40),
        ("min: 20, max: 40", 30),
    ],
)
def test_whole_numbers_of_any_distribution(case: Case, spec: str, init: int) -> None:
    case.sweep(f"method: random\nparameters: {{text_length_filter.min_len: {{{spec}}}}}\n")
    options = case.options(given={"preload": "none"})
    (parameter,) = configured(options).space
    assert parameter.init == init
    assert {type(parameter.decode(u)) for u in (0.01, 0.3, 0.99)} == {int}


def test_a_number_is_no_switch(case: Case) -> None:
    case.recipe(PROCESS + "  - alphanumeric_filter:\n")
    case.sweep("method: random\nparameters: {alphanumeric_filter.tokenization: {min: 0, max: 1}}")
    assert "must be a bool" in case.mistake()


def test_an_executor_of_a_cluster_is_refused(case: Case) -> None:
    case.recipe("executor_type: ray\n" + PROCESS)
    with pytest.raises(ConfigError, match=r"recipe.yaml:1:\d+ executor_type 'ray'"):
        case.options()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"param_file": "x"}, "--param_file=x has no effect here; give --hpo_config"),
        ({"metric": "x"}, "give --objective"),
        ({"script": "train.py"}, "'train.py' is not an option"),
        ({"script_args": ["epochs", "3"]}, "'epochs' is not an option"),
    ],
)
def test_options_that_a_search_sets_itself_are_refused(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        refuse_script(given)
