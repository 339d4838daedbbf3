"""Recognize how a script gets hyperparameters and models, without running it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from autofinetune.config.config import Config
from autofinetune.config.scoring import Scoring
from autofinetune.run.recognition import recognized, without_asking
from autofinetune.run.script_source import source_of
from tests.helpers import config_of, space_of

ENV = {"PATH": "/usr/bin:/bin"}
ARGPARSE = "import argparse\nargparse.ArgumentParser().parse_args()\n"


def config_for(folder: Path, text: str, **fields: object) -> Config:
    (folder / "train.py").write_text(text)
    there = {"script": "train.py", "working_dir": str(folder), "python": "python3"}
    return config_of(space_of("float"), **(there | fields))


def look(config: Config) -> Config:
    return recognized(config, ENV, print, may_change_evaluator=True)


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        (f"import autofinetune\n{ARGPARSE}", "options"),
        ("import hydra\n@hydra.main()\ndef main(cfg): ...", "hydra"),
        (f"import hydra\n{ARGPARSE}", "options"),
        ("import wandb\nwandb.init()\nprint(wandb.config.lr)", "calls"),
        ("import wandb\nwith wandb.init() as run:\n    run.config['lr']", "calls"),
        ("import wandb\nself.r = wandb.init(project='x')\nself.r.config.lr", "calls"),
        ("import wandb\nc = wandb.init().config", "calls"),
        ("from wandb import config", "calls"),
        (f"import wandb\n{ARGPARSE}wandb.init()\nwandb.config.lr", "options"),
        ("import nni\nparams = nni.get_next_parameter()", "calls"),
        ("from t9k import tuner\ntuner.get_next_parameter()", "calls"),
        ("import json, os, autofinetune\njson.loads(os.environ['AUTOFINETUNE_PARAMS'])", "calls"),
        ("import wandb\nmodel.config.lr\nwandb.init()", "options"),
        ("import wandb, sys\nlr = float(sys.argv[1])", "options"),
    ],
)
def test_what_a_script_is_given(tmp_path: Path, text: str, passing: str) -> None:
    assert look(config_for(tmp_path, text)).passing == passing


def test_a_script_of_nni_finds_what_the_package_looks_for(tmp_path: Path) -> None:
    assert look(config_for(tmp_path, "import nni\nnni.get_next_parameter()")).nni_wire
    assert not look(config_for(tmp_path, "import wandb\nwandb.config.lr")).nni_wire


@pytest.mark.parametrize(
    ("text", "fields", "evaluator"),
    [
        (f"import autofinetune\n{ARGPARSE}", {}, "populationbased"),
        ("import wandb\nwandb.config.lr", {}, "fulltrail"),
        (f"import nni\n{ARGPARSE}nni.get_next_parameter()", {}, "fulltrail"),
        ("import hydra\nhydra.main", {}, "fulltrail"),
        (
            "import hydra\nhydra.main",
            {"script_args": ("--ckpt=${model_path}",)},
            "populationbased",
        ),
        (f"import keras\n{ARGPARSE}", {"scoring": Scoring("acc")}, "fulltrail"),
        (
            f"import keras\n{ARGPARSE}# --model_path",
            {"scoring": Scoring("acc")},
            "populationbased",
        ),
    ],
)
def test_a_script_that_continues_no_model_starts_from_scratch(
    tmp_path: Path, text: str, fields: dict[str, object], evaluator: str
) -> None:
    config = config_for(tmp_path, text, evaluator="populationbased", **fields)
    assert look(config).evaluator == evaluator
    assert (
        recognized(config, ENV, print, may_change_evaluator=False).evaluator == "populationbased"
    )


@pytest.mark.parametrize(
    ("text", "is_silent"),
    [
        (ARGPARSE, True), (f"import torch\n{ARGPARSE}", True), ("import autofinetune", False),
        ("import wandb", False), ("print('AutoFinetuneEval' + '\\t' + '0.9')", False),
        ("from torch.utils.tensorboard import SummaryWriter", False),
        ("import os\nopen(os.environ['AUTOFINETUNE_REPORT_FILE'])", False),
    ],
)  # fmt: skip
def test_a_script_that_can_have_no_score_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, is_silent: bool
) -> None:
    look(config_for(tmp_path, text))
    assert ("appears neither to report a score" in capsys.readouterr().out) is is_silent
    look(config_for(tmp_path, text, scoring=Scoring(metric_pattern="acc=(.*)")))
    assert "appears neither" not in capsys.readouterr().out


def test_a_script_that_is_not_asked_gets_the_directory_if_it_knows_the_word(
    tmp_path: Path,
) -> None:
    config = config_for(tmp_path, ARGPARSE, evaluator="fulltrail")
    assert without_asking(config, ENV).script_options == ()
    config = config_for(tmp_path, f"{ARGPARSE}# --saved_params_dir", evaluator="fulltrail")
    assert without_asking(config, ENV).script_options == ("saved_params_dir",)
    config = dataclasses.replace(config, evaluator="populationbased")
    assert without_asking(config, ENV).script_options is None


def test_modules_beside_the_script_count(tmp_path: Path) -> None:
    (tmp_path / "tracking.py").write_text("import wandb\ndef lr(): return wandb.config.lr")
    config = config_for(tmp_path, "from tracking import lr")
    assert look(config).passing == "calls"
    source = source_of(["python3", "train.py"], str(tmp_path), ENV)
    assert source is not None
    assert "wandb" in source.packages
