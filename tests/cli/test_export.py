"""The trials of a run as a table."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from autofinetune.space import load_space
from tests.cli.conftest import Workplace
from tests.helpers import conditional_space
from tests.runs import Written

STRANGE = '"a",\n\x1b[31m<b>=1'


@pytest.fixture
def run(workplace: Workplace) -> Written:
    """A run with hyperparameters of several types, and trials in several statuses."""
    entries = [
        {"name": "score", "type": "int", "init_value": 5, "greater_than": 1, "lower_than": 9},
        {"name": "flag", "type": "choice", "choices": [True, False]},
        {"name": "mixed", "type": "choice", "choices": [1, STRANGE, None]},
        {"name": "lr", "type": "float", "init_value": 0.5, "greater_than": 0, "lower_than": 1},
    ]
    run = Written(workplace.root / "result", load_space({"param_list": entries}))
    run.trial(0, 0.1, {"score": 3, "flag": True, "mixed": STRANGE, "lr": 0.1})
    run.created(1, 0, score=4, flag=False, mixed=1, lr=1)
    run.started(1)
    run.lost(1, "runner_lost")
    run.started(1)
    run.reported(1, 0.25, 0.5)
    run.created(2, score=4, flag=False, mixed=None, lr=0.3)
    return run


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_row_for_each_trial(workplace: Workplace, run: Written) -> None:
    done = workplace.run("export", "result")
    assert (done.code, done.err) == (0, "")
    first, second, third = table(done.out)
    assert (first["score"], first["hparam.score"], first["flag"]) == ("0.1", "3", "True")
    assert (first["mixed"], first["lr"], first["status"]) == (STRANGE, "0.1", "COMPLETED")
    assert (second["status"], second["score"], second["attempts"]) == ("RUNNING", "", "2")
    assert (second["reports"], second["parent"], second["model_state"]) == ("2", "0", "")
    assert (third["status"], third["slot"], third["started_at"]) == ("QUEUED", "", "")
    to_file = workplace.run("export", "result", "--format=csv", "-o", "trials.csv")
    assert (to_file.code, to_file.out) == (0, "3 trials written to trials.csv\n")
    assert (workplace.root / "trials.csv").read_bytes().decode() == done.out


def test_json_has_the_curves(workplace: Workplace, run: Written) -> None:
    done = workplace.run("export", "result", "--format=json")
    found: Any = json.loads(done.out)
    assert [one["trial"] for one in found] == [0, 1, 2]
    assert found[1]["curve"] == [[0, 0.25], [1, 0.5]]
    assert found[0]["params"]["mixed"] == STRANGE
    for number, one in enumerate(found):
        shown = workplace.run("show", "result", str(number), "--json")
        assert json.loads(shown.out) == one


def test_parquet_has_types(workplace: Workplace, run: Written) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    done = workplace.run("export", "result", "--format=parquet", "--output=trials.parquet")
    assert done.code == 0, done.err
    found = parquet.read_table(workplace.root / "trials.parquet")
    types = {field.name: str(field.type) for field in found.schema}
    assert types["trial"] == types["hparam.score"] == "int64"
    assert types["score"] == types["lr"] == "double"
    assert (types["flag"], types["mixed"], types["status"]) == ("bool", "string", "string")
    assert found.column("lr").to_pylist() == [0.1, 1.0, 0.3]
    assert found.column("mixed").to_pylist() == [STRANGE, "1", None]
    assert found.column("parent").to_pylist() == [None, 0, None]
    assert found.column("score").to_pylist() == [0.1, None, None]


def test_parquet_without_its_package_names_the_command(workplace: Workplace, run: Written) -> None:
    (workplace.root / "pyarrow.py").write_text("raise ImportError('No module named pyarrow')")
    alone = Workplace(workplace.root)  # not the process that may have imported it
    done = alone.run("export", "result", "--format=parquet", "--output=trials.parquet")
    assert (done.code, done.out) == (4, "")
    assert "pip install 'autofinetune[parquet]'" in done.err
    assert not (workplace.root / "trials.parquet").exists()


@pytest.mark.skipif(bool(importlib.util.find_spec("optuna")), reason="Optuna is installed")
def test_a_study_without_optuna_names_the_command(workplace: Workplace, run: Written) -> None:
    done = workplace.run("export", "result", "--optuna=sqlite:///study.db")
    assert (done.code, done.out) == (4, "")
    assert "pip install 'autofinetune[optuna]'" in done.err
    for words in (["--format=csv"], ["--output=trials.csv"]):
        both = workplace.run("export", "result", "--optuna=sqlite:///study.db", *words)
        assert (both.code, "leave out --format and --output" in both.err) == (2, True)


def test_inactive_hyperparameters_and_an_empty_run(workplace: Workplace) -> None:
    run = Written(workplace.root / "result", conditional_space())
    for kind in ("csv", "json"):
        empty = workplace.run("export", "result", f"--format={kind}")
        assert empty.code == 0
        assert empty.out.count("\n") == 1
    assert json.loads(empty.out) == []
    run.trial(0, 0.5, {"optimizer": "lamb", "bias": 1, "lr": 0.5})
    (row,) = table(workplace.run("export", "result").out)
    assert (row["bias"], row["momentum"]) == ("1", "")


def test_files_that_are_written(workplace: Workplace, run: Written) -> None:
    (workplace.root / "target").write_text("mine")
    (workplace.root / "link.csv").symlink_to(workplace.root / "target")
    assert workplace.run("export", "result", "--output=link.csv").code == 0
    assert (workplace.root / "target").read_text() == "mine"
    assert len(table((workplace.root / "link.csv").read_text())) == 3
    assert stat.S_ISREG((workplace.root / "link.csv").lstat().st_mode)
    assert workplace.run("export", "result", "--output=/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


def test_what_cannot_be_written(workplace: Workplace, run: Written) -> None:
    for words, code in (
        (["--format=xml"], 2),
        (["--format=parquet"], 2),
        (["--output=result"], 2),
        (["--output=no/such/file"], 4),
    ):
        refused = workplace.run("export", "result", *words)
        assert (refused.code, refused.out) == (code, ""), words
        assert refused.err.startswith("ERROR")
    assert workplace.run("export", "nowhere").code == 2
    assert workplace.run("export").code == 2


def test_a_terminal_gets_no_control_characters(workplace: Workplace, run: Written) -> None:
    import pty
    import subprocess

    mine, theirs = pty.openpty()
    command = workplace.command("export", "result")
    with subprocess.Popen(command, cwd=workplace.root, env=workplace.env, stdout=theirs):
        os.close(theirs)
        data = b""
        while b"\n2," not in data:
            data += os.read(mine, 1000)
    os.close(mine)
    assert b"\x1b" not in data
