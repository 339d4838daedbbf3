"""Checks of scripts, one by one; tests/cli/test_doctor.py has the whole report."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.doctor import files
from autofinetune.doctor.finding import Status

PARSER = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr')\np.parse_args()\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "words", "status"),
    [
        (f"{PARSER}import autofinetune\nautofinetune.report_final_result(val_loss)",
         "train.py reports it; use --direction=minimize", Status.OK),
        (f"{PARSER}import wandb\nwandb.log({{'val_acc': 1}})", "use --metric=val_acc", Status.OK),
        (f"{PARSER}print('loss:', x)", "--direction=minimize", Status.OK),
        (f"{PARSER}import wandb", "name one with --metric", Status.OK),
        (PARSER, "neither reports nor prints one", Status.WARNING),
    ],
)  # fmt: skip
def test_the_score(place: Path, text: str, words: str, status: Status) -> None:
    (place / "train.py").write_text(text)
    (found,) = files.score("train.py")
    assert words in found.text
    assert found.status is status


def test_imports_in_functions_may_be_missing(place: Path) -> None:
    (place / "train.py").write_text("def f():\n    import no_such_thing\n")
    script, imports = files.script("train.py")
    assert script.status is Status.OK
    assert imports.status is Status.WARNING
    assert "no_such_thing" in imports.text


def test_modules_beside_the_script_are_found(place: Path) -> None:
    (place / "code").mkdir()
    (place / "code" / "helper.py").write_text("import numpy\n")
    (place / "code" / "train.py").write_text("import helper\n")
    _, imports = files.script("code/train.py")
    assert imports.text == "2 packages can be found"


def test_a_script_without_options(place: Path) -> None:
    (place / "train.py").write_text("x = 1\n")
    (found,) = files.options("train.py", "")
    assert found.status is Status.WARNING


def test_a_program_that_is_not_python(place: Path) -> None:
    (place / "train").write_text("#!/bin/sh\necho\n")
    (place / "train").chmod(0o755)
    (found,) = files.script("train")
    assert "not written in Python" in found.text
    assert list(files.score("train")) == []


def test_notes_about_a_file_are_warnings(place: Path) -> None:
    (place / "space.json").write_text('{"x": {"_type": "quniform", "_value": [0, 1, 3]}}')
    found = list(files.param_file("space.json"))
    assert [one.status for one in found] == [Status.OK, *[Status.WARNING] * (len(found) - 1)]
    assert len(found) > 1
