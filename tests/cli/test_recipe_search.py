"""`autofinetune recipe search` where Data-Juicer is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.cli.recipe_search import search_command

from .conftest import Workplace

DEMO = Path(__file__).parents[2] / "demo" / "recipes"
WORDS = ("recipe", "search", f"--config={DEMO}/recipe.yaml", f"--hpo_config={DEMO}/sweep.yaml")


def test_one_sentence_says_what_to_install(workplace: Workplace) -> None:
    done = workplace.run(*WORDS, "--gpu=cpu:1", "--output_dir=result")
    assert done.code == 4
    assert done.err.splitlines()[0].startswith("ERROR recipe search needs the package ")
    assert "pip install 'autofinetune[data-juicer]'" in done.err
    assert not (workplace.root / "result").exists()


def test_the_help_names_the_options_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        search_command(["--help"])
    told = capsys.readouterr().out
    for name in ("--hpo_config", "--objective", "--shares", "--held_out", "model_loss"):
        assert name in told


def test_a_wrong_word_is_refused(workplace: Workplace) -> None:
    assert "--hpo_config" in workplace.run(*WORDS[:3]).err
    assert "unrecognized arguments: --gpus" in workplace.run(*WORDS, "--gpus=1").err
    assert "'train.py' is not an option" in workplace.run(*WORDS, "train.py").err
    assert "--tokens" in workplace.run(*WORDS, "--tokens=none").err
