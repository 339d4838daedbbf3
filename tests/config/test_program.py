"""Programs of trials: reading back what was written, and every mistake."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.config.program import Program, Task, read_program, variables
from autofinetune.errors import Mistake


def read(options: dict[str, Any]) -> tuple[Program, list[str]]:
    mistakes: list[Mistake] = []
    return read_program(options, mistakes.append), list(map(str, mistakes))


def test_a_script_has_no_program() -> None:
    assert read({}) == (Program(), [])
    assert Program().describe() == {}
    assert Program().commands == ()
    assert Program().ranks is None


def test_what_is_described_is_read_back() -> None:
    worker = Task("worker", 2, ("python3", "x.py", "${args}"), ("A=1", "B="))
    program = Program(("python3", "x.py"), ("C=a=b",), "tensorflow",
                      (worker, Task("ps", 1, ("ps.sh",))))  # fmt: skip
    assert read(program.describe()) == (program, [])
    assert program.ranks == 3
    assert program.commands == (("python3", "x.py", "${args}"), ("ps.sh",))
    assert program.words == (
        "python3", "x.py", "C=a=b", "python3", "x.py", "${args}", "A=1", "B=", "ps.sh"
    )  # fmt: skip
    assert variables(program.env) == {"C": "a=b"}


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"command": "train.py"}, "command: must be a list of words, found 'train.py'"),
        ({"command": ["x", "a\0"]}, "command: a word contains the character NUL"),
        ({"command": ["x", "${argz}"]}, "command: macro ${argz} is unknown; use one of: "),
        ({"env": ["A"]}, "env: 'A' is not of the form NAME=value"),
        ({"env": ["AUTOFINETUNE_RUN=1"]}, "env: AUTOFINETUNE_RUN is set by autofinetune"),
        ({"env": ["CUDA_VISIBLE_DEVICES=1"]}, "CUDA_VISIBLE_DEVICES is set by autofinetune"),
        ({"framework": "jax"}, "framework: 'jax' is unknown; use one of: pytorch, tensorflow"),
        ({"tasks": 3}, "tasks: must be a list, found 3"),
        ({"tasks": ["x"]}, "tasks[0]: must be a mapping of type, replicas, command and env"),
        ({"tasks": [{"command": ["x"], "replicas": 0}]}, "tasks[0]: replicas must be a whole nu"),
        ({"tasks": [{"command": ["x"], "replicas": True}]}, "tasks[0]: replicas must be a whole"),
        ({"tasks": [{"command": ["${x}"]}]}, "tasks[0]: command: macro ${x} is unknown"),
    ],
)
def test_a_mistake_is_told(options: dict[str, Any], mistake: str) -> None:
    _, (found,) = read(options)
    assert mistake in found
