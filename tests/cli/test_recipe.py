"""`autofinetune recipe refine` without Data-Juicer, by statistics that it has written."""

from __future__ import annotations

import json
import random
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autofinetune.cli import main
from tests.recipe.making import Columns, write_stats

# The shape of Data-Juicer's tools/hpo/configs/process.yaml.
RECIPE = """\
# global parameters
project_name: 'demo-process-hpo'
dataset_path: 'demo.jsonl'
np: 4  # number of subprocess to process your dataset

export_path: './outputs/demo-processed.jsonl'

process:
  - character_repetition_filter: # by repetition
      rep_len: 10                  # repetition length
      min_ratio: 0.0               # the min ratio of filter range
      max_ratio: 0.5
  - clean_email_mapper:
  - text_length_filter: # by length
      min_len: 10        # the min length of filter range
      max_len: 10000

"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and statistics, where commands run."""
    monkeypatch.chdir(tmp_path)
    Path("process.yaml").write_text(RECIPE)
    draw = random.Random(0)
    columns: Columns = {
        "char_rep_ratio": [abs(draw.gauss(0.1, 0.05)) for _ in range(200)],
        "text_len": [round(draw.gauss(400, 60)) for _ in range(200)],
    }
    write_stats(Path("data_stats.jsonl"), columns)
    return tmp_path


STATS = "--stats=data_stats.jsonl"


def test_the_two_usages_of_the_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "refine", "--config", "process.yaml", STATS]) == 0
    shown = capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["data_stats.jsonl", "process.yaml"]
    words = ["--path_3sigma_recipe", "process_3sigma.yaml", STATS]
    assert main(["recipe", "refine", "--config", "process.yaml", *words]) == 0
    told = capsys.readouterr().out
    assert told.partition("\nrefined recipe: ")[0] == shown.partition("\nTo write")[0]
    assert told.endswith(
        "refined recipe: process_3sigma.yaml\n"
        "To process the data by it: dj-process --config process_3sigma.yaml\n"
    )
    before, after = RECIPE.splitlines(), Path("process_3sigma.yaml").read_text().splitlines()
    pairs = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [old.split(":")[0].strip() for old, _ in pairs] == ["max_ratio", "min_len", "max_len"]
    assert pairs[1][1].endswith("        # the min length of filter range")
    assert "all together" in shown
    assert "not refined: clean_email_mapper: it has no threshold for a statistic\n" in shown


def test_the_other_spelling_and_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recipe", "refine", "process.yaml", STATS, "--path_k_sigma_recipe=out.json", "--json"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    written = json.loads(Path("out.json").read_text())
    assert written["process"][1] == {"clean_email_mapper": None}
    bounds = {one["argument"]: one for one in record["thresholds"]}
    assert written["process"][2]["text_length_filter"]["min_len"] == bounds["min_len"]["after"]
    assert bounds["min_len"]["line"] == 15
    assert bounds["min_ratio"]["reason"] == "it is that already"
    assert record["written"] == "out.json"
    assert record["is_processed"] is False
    assert record["together"]["dropped_after"] > record["together"]["dropped_before"] == 0.0


def test_a_dry_run_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recipe", "refine", "process.yaml", STATS, "--path_3sigma_recipe=out.yaml"]
    assert main([*words, "--page=page.html", "--dry-run"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["data_stats.jsonl", "process.yaml"]


def test_exact_numbers_come_with_a_note(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recipe", "refine", "process.yaml", STATS, "--exact", "--json"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "--exact gives floats" in told.err
    values = [one["after"] for one in json.loads(told.out)["thresholds"]]
    assert all(isinstance(value, float) for value in values)
    assert values[0] < 0


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        assert not [name for name, _ in attrs if name in ("style", "src", "href", "onload")]


def test_the_page_has_histograms_and_no_scripts(folder: Path) -> None:
    recipe = RECIPE.replace("clean_email_mapper", "'<script>alert(1)</script>'")
    Path("process.yaml").write_text(recipe)
    assert main(["recipe", "refine", "process.yaml", STATS, "--page", "page.html"]) == 0
    text = Path("page.html").read_text()
    tags = Tags(text).found
    assert "script" not in tags
    assert tags.count("svg") == 2
    assert text.count('class="new"') == 3
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "&lt;script&gt;" in text


def test_notes_about_what_data_juicer_ignores(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPE.replace("min_len: 10 ", "min_length: 10 ").replace("clean_email", "clean_mail")
    Path("process.yaml").write_text(recipe)
    assert main(["recipe", "refine", "process.yaml", STATS]) == 0
    told = capsys.readouterr()
    assert "note: process.yaml:15:19 text_length_filter takes no min_length" in told.err
    assert "no such operator (did you mean clean_email_mapper?)" in told.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["recipe"], 2, "the action is missing"),
        (["recipe", "refin"], 2, "there is no action 'refin' (did you mean 'refine'?)"),
        (["recipe", "refine"], 2, "the recipe is missing"),
        (["recipe", "refine", "a.yaml", "--config=b.yaml"], 2, "the recipe is given twice"),
        (["recipe", "refine", "none.yaml", STATS], 2, "cannot read none.yaml"),
        (["recipe", "refine", "process.yaml", "--stats=none"], 2, "cannot read --stats=none"),
        (["recipe", "refine", "process.yaml", STATS, "-k", "0"], 2, "-k=0 must be a number"),
        (["recipe", "refine", "process.yaml", STATS, "--rule=iqr", "--exact"], 2, "--exact is"),
        (["recipe", "refine", "process.yaml", STATS, "--page=no/x"], 2, "is in no directory no"),
        (["recipe", "refine", "process.yaml", STATS, "--page=data_stats.jsonl"], 2, "not a page"),
        (["recipe", "refine", "process.yaml", STATS, "--path_3sigma_recipe=x.txt"], 2, "must end"),
        (["recipe", "refine", "process.yaml", STATS, "--path_3sigma_recipe=./process.yaml"], 2,
         "process.yaml is the recipe itself"),
        (["recipe", "refine", "process.yaml"], 4, "which is not installed\nTIP   pip install "
         "'autofinetune[data-juicer]'; or give statistics that it wrote elsewhere: --stats=FILE"),
    ],
)  # fmt: skip
def test_mistakes(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "--help"]) == 0
    assert "autofinetune recipe refine" in capsys.readouterr().out


def test_the_fields_of_json_are_documented(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", "refine", "process.yaml", STATS, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    page = (Path(__file__).parents[2] / "docs/recipes.md").read_text()
    fields = {*record, *record["thresholds"][0], *record["others"][0], *record["together"]}
    assert {field for field in fields if f"`{field}`" not in page} == set()
