"""The examples in the documentation are correct."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from autofinetune.cli.commands import COMMANDS
from autofinetune.cli.options import parse_run
from autofinetune.space import load_space, nni, parse_yaml, read_space, wandb
from autofinetune.strategies import STRATEGIES, create_strategy, strategy_class
from tools import options_page

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_understood(document: Path) -> None:
    for line in re.findall(r"^autofinetune .*$|`(autofinetune [^`<]*)`", document.read_text()):
        words = shlex.split(line)[1:]
        if words and words[0].endswith(".py"):
            parse_run(words)
        elif words:
            assert words[0] in COMMANDS or words[0].startswith("-"), line


def test_the_readmes_hparam_file_loads() -> None:
    (text,) = blocks("README.md", "yaml")
    space = read_space(parse_yaml(text.encode(), "README.md"))
    assert space.init_params == {"learning_rate": 0.001}


def test_the_readmes_tables_of_options_are_those_of_the_code() -> None:
    text = (ROOT / "README.md").read_text()
    assert options_page.replaced(text) == text, "run: python tools/options_page.py"


def test_the_guide_names_every_type_and_distribution() -> None:
    text = (ROOT / "docs/guide.md").read_text()
    for name in (*nni.TYPES, *wandb.KEYS):
        assert f"`{name}`" in text, name


def test_the_guides_table_of_strategies_has_their_options() -> None:
    guide = (ROOT / "docs/guide.md").read_text()
    rows = re.findall(r"^\| `([a-z]+)` \| [^|]* \|(.*)\|$", guide, re.MULTILINE)
    shown = {name: dict(re.findall(r"`(\w+)=([^`]+)`", options)) for name, options in rows}
    assert shown.keys() >= STRATEGIES.keys() - {"hazero", "pshe2"}
    for name in STRATEGIES.keys() & shown.keys():
        options = {**strategy_class(name).OPTIONS}
        del options["optimize_mode"]
        if name == "random":
            del options["constant_liar_type"]  # it has no effect
        assert shown[name].keys() == options.keys()
        for option, text in shown[name].items():
            assert options[option].read(text) == options[option].default


def test_the_guides_search_loop_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hparam.yaml").write_text(blocks("README.md", "yaml")[0])
    monkeypatch.chdir(tmp_path)
    (code,) = [block for block in blocks("docs/guide.md", "python") if "create_strategy" in block]
    told: list[float] = []

    def score_of(learning_rate: float) -> float:
        told.append(learning_rate)
        return -learning_rate

    exec(code, {"score_of": score_of})
    assert len(told) == 50


def test_the_guides_script_parts_are_python() -> None:
    for block in blocks("README.md", "python"):
        compile(block, "README.md", "exec")


def test_the_strategies_docstring_loop_runs() -> None:
    space = load_space({"param_list": [
        {"name": "x", "type": "float", "init_value": 0.5, "greater_than": 0, "lower_than": 1}
    ]})  # fmt: skip
    strategy = create_strategy("pshe2", space, popsize=5, seed=0)
    for _ in range(2):
        for candidate in strategy.ask(5):
            strategy.tell(candidate, 0.0)


def test_no_file_speaks_of_paths_outside_the_project() -> None:
    for document in DOCUMENTS:
        assert not re.search(r"(?<![\w.])/(home|root|work)/", document.read_text()), document
