"""`autofinetune doctor`: its lines, its JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autofinetune.cli import main
from autofinetune.doctor import disk, machine
from autofinetune.doctor.finding import Finding, problem
from tests.cli.conftest import HPARAM, TRAIN, Workplace


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(disk, "visualdl", lambda: iter([Finding("visualdl", "can be imported")]))
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    return tmp_path


def report(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert main(["doctor", *words, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"checks", "problems", "warnings", "exit_code"}
    assert found["exit_code"] == code
    for one in found["checks"]:
        assert one.keys() == {"name", "status", "text", "todo"}
        assert (one["status"] == "ok") != bool(one["todo"])
    assert found["problems"] == sum(c["status"] == "problem" for c in found["checks"])
    return {one["name"]: (one["status"], one["text"]) for one in found["checks"]}


def test_the_machine_has_a_line_for_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[1] for line in lines[:-1] if not line.startswith(" ")]
    for name in ("python", "packages", "kernel", "gpu", "cores", "memory", "disk", "writing",
                 "locks", "home", "visualdl", "clock", "limits", "shm"):  # fmt: skip
        assert name in names
    assert lines[-1].startswith("0 problems, ")


def test_a_script_and_its_file_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, "train.py", "hparam.yaml")
    assert found["file"] == ("ok", "hparam.yaml: lr, units")
    assert found["script"] == ("ok", "train.py is valid Python")
    assert found["imports"] == ("ok", "1 package can be found")
    assert found["options"] == ("ok", "train.py takes the hyperparameters of hparam.yaml")
    assert found["score"] == ("ok", "train.py reports it")


def test_a_script_alone(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = report(capsys, "train.py")["options"]
    assert (status, text.partition(";")[0]) == ("ok", "6")


def test_an_option_that_the_script_lacks(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "train.py").write_text(TRAIN.replace("--units", "--unit"))
    status, text = report(capsys, "train.py", "--param_file=hparam.yaml", code=2)["options"]
    assert status == "problem"
    assert "--units  (a hyperparameter)" in text


def test_packages_that_are_missing(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "train.py").write_text(f"import no_such_thing\n{TRAIN}")
    found = report(capsys, "train.py", code=2)
    assert found["imports"][0] == "problem"
    assert found["imports"][1].endswith(": no_such_thing")
    assert "No module named 'no_such_thing'" in found["options"][1]


def test_a_script_that_is_not_python(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "train.py").write_text("def f(:")
    found = report(capsys, "train.py", "hparam.yaml", code=2)
    assert found["script"] == ("problem", "train.py:1:7 not valid Python: invalid syntax")
    assert "options" not in found


def test_mistakes_in_the_file_have_lines(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "hparam.yaml").write_text(HPARAM.replace(": int", ": itn"))
    found = report(capsys, "train.py", "hparam.yaml", code=2)
    assert found["file"][0] == "problem"
    assert "hparam.yaml:10:11 param_list[1] units: type 'itn'" in found["file"][1]
    assert found["options"][0] == "ok"


def test_a_problem_of_the_machine_comes_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "clock", lambda: iter([problem("clock", "stands", "wind it")]))
    machine.clock.__name__ = "clock"
    assert main(["doctor", "nothing.py"]) == 4
    out = capsys.readouterr().out
    assert "problem  clock        stands\n                      -> wind it\n" in out
    assert "problem  script       cannot read nothing.py" in out


def test_a_run(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    done = workplace.tune("--max_trials=2", "--evaluator=fulltrail", "crash_at", "1")
    assert done.code == 0, done.err
    found = report(capsys, "result")
    assert found["run"] == ("warning", "1 trial failed")
    assert main(["doctor", "result"]) == 0
    assert "1 COMPLETED, 1 FAILED" in capsys.readouterr().out


def test_a_directory_without_a_run(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "empty").mkdir(mode=0o700)
    status, text = report(capsys, "empty", code=2)["run"]
    assert status == "problem"
    assert "holds no run" in text


@pytest.mark.parametrize("words", [("train.py", "other.py"), ("a.yaml", "b.yaml")])
def test_one_of_each_kind(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert main(["doctor", *words]) == 2
    assert f"{words[1]} is a second" in capsys.readouterr().err
