"""`autofinetune convert`: files, notes and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.cli import main
from autofinetune.space import load_space

SWEEP = """\
method: grid
parameters:
  lr: {distribution: log_uniform, min: -9, max: -1}
  size: {values: [[1, 2], null]}
"""


def written(tmp_path: Path, text: str, name: str = "sweep.yaml") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


HYDRA = """\
hydra:
  sweeper:
    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
    params:
      lr: interval(0.1, 0.5)
      net: choice(a, b)
"""


@pytest.mark.parametrize("words", [(), ("--space",)])
def test_the_space_of_a_hydra_sweeper_is_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    file = written(tmp_path, HYDRA)
    assert main(["convert", str(file), *words]) == 0
    text = capsys.readouterr().out
    assert load_space(written(tmp_path, text, "hparam.yaml")).names == ("lr", "net")


def test_it_prints_a_file_that_is_the_same_space(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, SWEEP)
    assert main(["convert", str(file)]) == 0
    shown = capsys.readouterr()
    assert load_space(written(tmp_path, shown.out, "hparam.yaml")) == load_space(file)
    first, second = shown.err.splitlines()
    assert first.startswith(f"note: {file}:1:9 only the parameters of the sweep are read here")
    assert second.startswith(f"note: {file}:3:22 lr: log_uniform takes exponents of e")
    head = shown.out.splitlines()[:3]
    assert head[0] == "# Converted from sweep.yaml."
    assert head[1:] == [line.replace("note:", "#", 1) for line in (first, second)]


def test_a_name_with_a_line_end_writes_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'"foo\\nparam_list: x\\u2028y": 1\n{SWEEP}'
    assert main(["convert", str(written(tmp_path, text))]) == 0
    shown = capsys.readouterr()
    assert r"'foo\nparam_list: x\u2028y' is unknown" in shown.err
    assert [line for line in shown.out.splitlines() if line.startswith("param_list")] == [
        "param_list:"
    ]


def test_what_is_there_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, SWEEP)
    assert main(["convert", str(file), f"--out={file}"]) == 2
    assert f"--out={file} already exists" in capsys.readouterr().err
    assert file.read_text() == SWEEP


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.json", '{"x": {"_type": "unifrom", "_value": [0, 1]}}', "s.json:1:17 x: _type 'unif"),
        ("s.json", '{"x": {"_type": "uniform", "_value": [1, 0]}}', "s.json:1:39 x: low (1.0) m"),
        ("s.json", '{"x": {"_type": "uniform"', "s.json:1:26 not valid JSON: did not find"),
        ("w.yaml", "parameters: {x: {min: 3, max: 1}}", "w.yaml:1:23 x: min (3) must be below"),
        ("w.yaml", "parameters: {x: {}}", "w.yaml:1:17 x: needs value, values, min and max"),
        ("h.yaml", "{}", "h.yaml:1:1 the outermost key must be param_list, found: "),
        ("h.yaml", "x: {type: uniform}", "param_list, found: 'x'; the other formats are"),
    ],
)  # fmt: skip
def test_mistakes_end_with_2_and_name_file_and_line(
    name: str, text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, text, name)
    out = tmp_path / "out.yaml"
    train = written(tmp_path, "", "train.py")
    for argv in (
        ["convert", str(file), f"--out={out}"],
        [str(train), f"--param_file={file}", "--gpu=cpu"],
    ):
        assert main(argv) == 2
        shown = capsys.readouterr()
        assert words in shown.err
        assert "Traceback" not in shown.err
    assert not out.exists()


def test_a_file_that_is_missing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "nothing.json"]) == 2
    assert "cannot read nothing.json" in capsys.readouterr().err
