"""The pages of the demos for libraries say what a run found, and their commands are understood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autofinetune.cli.options import parse_run
from autofinetune.space import load_space
from tools.demo_pages import BEGIN, CORES, DEMOS, END, Run, command, page, replaced, result

MOST_S = 120.0


@pytest.mark.parametrize("name", sorted(DEMOS))
def test_a_page_has_a_gain_and_a_time(name: str) -> None:
    text = page(name).read_text(encoding="utf-8")
    inside = text.split(BEGIN)[1].split(END)[0]
    before, after = (
        float(score) for score in re.findall(r"^\| \w+: .*? \| (\S+) \|", inside, re.M)
    )
    assert after < before if "--direction=minimize" in command(text) else after > before
    (seconds,) = re.findall(rf"which is (\d+) s on {CORES} cores", inside)
    assert float(seconds) < MOST_S


@pytest.mark.parametrize("name", sorted(DEMOS))
def test_the_command_and_its_files_belong_together(name: str) -> None:
    folder = page(name).parent
    words = command(page(name).read_text(encoding="utf-8"))
    parse_run(words)
    assert words[:2] == [f"demo/{name}/train.py", f"--param_file=demo/{name}/hparam.yaml"]
    script = (folder / "train.py").read_text(encoding="utf-8")
    for parameter in load_space(folder / "hparam.yaml"):
        initial = load_space(folder / "hparam.yaml").init_params[parameter.name]
        (default,) = re.findall(rf'"--{parameter.name}", .*default=([^,)]+)', script)
        assert default.strip('"') == str(initial) or float(default) == initial


def test_what_is_written() -> None:
    trials = [
        {"state": "COMPLETED", "score": "0.5", "seconds": "1", "lr": "0.1", "kind": "a"},
        {"state": "FAILED", "score": "", "seconds": "1", "lr": "0.2", "kind": "a"},
        {"state": "COMPLETED", "score": "0.25", "seconds": "1", "lr": "0.30004", "kind": "b"},
    ]
    text = result(Run(trials, True, 10.0), ["pytest"])
    assert "| before: the initial values | 0.5 | `lr=0.1`, `kind=a` |\n" in text
    assert "| after: the best of 3 trials | 0.25 | `lr=0.3`, `kind=b` |\n" in text
    assert "10 s of CPU" in text
    assert "which is 5 s on 2 cores" in text
    old = f"a\n{BEGIN}old\n{END}b\n"
    assert replaced(old, "new\n") == f"a\n{BEGIN}new\n{END}b\n"


def test_every_demo_of_a_library_is_there() -> None:
    assert {path.parent for path in map(page, DEMOS)} == {
        path.parent
        for path in Path(page("keras")).parents[1].glob("*/train.py")
        if "AutofinetuneCallback" in path.read_text(encoding="utf-8")
    }
