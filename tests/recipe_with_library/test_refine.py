"""Refining recipes by the real Data-Juicer, as its users do."""

from __future__ import annotations

import contextlib
import json
import os
import random
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from autofinetune.cli import main
from autofinetune.recipe import operators
from autofinetune.recipe.installed import known_of
from tests.recipe.making import recipe_of

if not os.environ.get("WITH_LIBRARIES"):
    pytest.skip("needs Data-Juicer: make test-recipes", allow_module_level=True)

ROOT = Path(__file__).parents[2]
WORDS = str(random.__doc__).split()
FILTERS = """\
  - clean_email_mapper:
  - text_length_filter: {min_len: 10}   # letters
  - words_num_filter:
  - alphanumeric_filter:
      max_ratio: 0.95
  - character_repetition_filter: {rep_len: 10, max_ratio: 0.5}
  - maximum_line_length_filter:
  - special_characters_filter:
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 150 texts and a recipe, where commands run."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    lines = []
    for _ in range(150):
        words = draw.choices(WORDS, k=round(draw.lognormvariate(3.5, 0.7)) + 1)
        lines.append(json.dumps({"text": " ".join(words)}) + "\n")
    Path("data.jsonl").write_text("".join(lines))
    head = "dataset_path: data.jsonl\nexport_path: out/data.jsonl\nnp: 1\nprocess:\n"
    Path("recipe.yaml").write_text(head + FILTERS)
    return tmp_path


def python(code: str) -> Any:
    """Return what code assigns to `answer` in another process, as Data-Juicer starts threads."""
    path = Path("answer.json").absolute()
    code += f"\nimport json\nwith open({str(path)!r}, 'w') as file:\n    json.dump(answer, file)\n"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return json.loads(path.read_text())


# What the original does, by its own code, for the arguments that are thresholds.
ORIGINAL = """
from data_juicer.config import init_configs
from data_juicer.core import Analyzer
from data_juicer.tools.hpo.execute_hpo_3sigma import modify_recipe_k_sigma
config = init_configs(["--config", "recipe.yaml", "--export_path", "original/data.jsonl"])
analyzer = Analyzer(config)
analyzer.run()
modify_recipe_k_sigma(config, analyzer.overall_result, None)
answer = config.process
"""


def test_exact_gives_the_numbers_of_the_original(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", "refine", "recipe.yaml", "--exact", "--no-process", "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    original = python(ORIGINAL)
    assert len(record["thresholds"]) == 12
    for one in record["thresholds"]:
        wanted = original[one["index"]][one["operator"]][one["argument"]]
        assert one["after"] == pytest.approx(wanted, rel=1e-12), one


def test_the_first_usage_processes_the_data(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", "refine", "--config", "recipe.yaml", "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    kept = len(Path("out/data.jsonl").read_text().splitlines())
    assert record["is_processed"] is True
    assert record["together"]["dropped_after"] == pytest.approx(1 - kept / 150)
    assert 0 < kept < 150
    assert {path.name for path in folder.iterdir()} == {"data.jsonl", "recipe.yaml", "out"}


def test_the_second_usage_writes_a_recipe_that_runs(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--path_3sigma_recipe", "refined.yaml", "--no-process", "--allow-widen"]
    assert main(["recipe", "refine", "--config", "recipe.yaml", *words]) == 0
    assert not Path("out").exists()
    read = python(
        "from data_juicer.config import init_configs\n"
        "answer = init_configs(['--config', 'refined.yaml'], load_configs_only=True).process"
    )
    recipe = operators.known("text_length_filter")
    assert recipe is not None
    length = read[1]["text_length_filter"]
    assert type(length["min_len"]) is int
    assert type(length["max_len"]) is int
    assert "# letters" in Path("refined.yaml").read_text()


def test_the_originals_own_recipe_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = find_spec("data_juicer")
    assert spec is not None
    assert spec.origin
    hpo = Path(spec.origin).parent / "tools/hpo"
    monkeypatch.chdir(tmp_path)
    Path("demo-redpajama-c4-refined.jsonl").write_bytes(
        (hpo / "demo-redpajama-c4-refined.jsonl").read_bytes()
    )
    Path("process.yaml").write_bytes((hpo / "configs/process.yaml").read_bytes())
    words = ["--path_3sigma_recipe", "process_3sigma.yaml"]
    assert main(["recipe", "refine", "--config", "process.yaml", *words]) == 0
    # It has ten samples, too few for a rule.
    assert "10 samples with a value are too few; 30 are needed" in capfd.readouterr().out
    assert Path("process_3sigma.yaml").read_bytes() == Path("process.yaml").read_bytes()
    assert Path("outputs/demo-hpo-process/demo-hpo-processed.jsonl").is_file()


@contextlib.contextmanager
def custom_operator(folder: Path) -> Iterator[str]:
    """Write a filter of the user's own."""
    folder.joinpath("vowels_filter.py").write_text(
        "from data_juicer.ops.base_op import OPERATORS, Filter\n"
        "from data_juicer.utils.constant import Fields, StatsKeys\n\n\n"
        "@OPERATORS.register_module('vowels_filter')\n"
        "class VowelsFilter(Filter):\n"
        "    def __init__(self, min_share: float = 0.1, *args, **kwargs):\n"
        "        super().__init__(*args, **kwargs)\n"
        "        self.min_share = min_share\n\n"
        "    def compute_stats_single(self, sample, context=False):\n"
        "        sample[Fields.stats][StatsKeys.alnum_ratio] = 0.5\n"
        "        return sample\n\n"
        "    def process_single(self, sample):\n"
        "        share = sample[Fields.stats][StatsKeys.alnum_ratio]\n"
        "        return self.get_keep_boolean(share, self.min_share)\n"
    )
    yield f"custom_operator_paths: [{folder}/vowels_filter.py]\n"


def test_operators_of_the_users_own_are_asked(tmp_path: Path) -> None:
    with custom_operator(tmp_path) as line:
        recipe = recipe_of(tmp_path, f"- vowels_filter: {{min_share: 0.2}}\n{line}")
        known = known_of(recipe, with_own=True)["vowels_filter"]
        assert "vowels_filter" not in known_of(recipe)
    threshold = known.thresholds["min_share"]
    assert (threshold.side, known.stat(threshold, {})) == ("lower", "alnum_ratio")
    assert known.arguments["min_share"].type == "float"


def test_the_table_is_that_of_the_installed_version(folder: Path) -> None:
    path = Path(operators.__file__).with_name("operators.json")
    # A package in site-packages is called `tools`, too.
    compact = runpy.run_path(str(ROOT / "tools/recipe_operators.py"))["compact"]
    told = python("from autofinetune.recipe.signatures import describe\nanswer = describe()")
    assert compact(told) == json.loads(path.read_text()), "run tools/recipe_operators.py"


def test_an_analyzer_that_fails_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("data.jsonl").unlink()
    assert main(["recipe", "refine", "recipe.yaml"]) == 4
    told = capfd.readouterr()
    assert "ERROR the Analyzer failed on recipe.yaml (exit code 1)" in told.err
    assert told.out == ""
