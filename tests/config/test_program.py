"""Programs of trials: reading back what was written, every mistake, and hidden secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.program import Program, Task, masked, read_program, variables
from autofinetune.errors import Mistake
from tests.cli.conftest import Workplace, workplace

__all__ = ["workplace"]  # the fixture


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


@pytest.mark.parametrize(
    "name", ["api_key", "API-KEY", "token", "hf_token", "password", "passwd", "client_secret",
             "credentials", "key", "apikey"],
)  # fmt: skip
def test_values_of_secret_names_are_hidden(name: str) -> None:
    assert masked([f"--{name}=abc", "--lr=1"]) == [f"--{name}=***", "--lr=1"]


@pytest.mark.parametrize("word", ["--monkey=1", "--keys_per_head=2", "--lr=token", "--token"])
def test_other_words_stay(word: str) -> None:
    assert masked([word]) == [word]


def test_a_secret_reaches_the_trial_and_no_file_for_people(workplace: Workplace) -> None:
    train = workplace.root / "train.py"
    train.write_text(
        train.read_text().replace(
            "args = parser.parse_args()",
            'parser.add_argument("--api_key")\nargs = parser.parse_args()\n'
            'assert args.api_key == "canary-4711"',
        )
    )
    done = workplace.tune("--popsize=2", "--round=1", "api_key", "canary-4711")
    assert done.code == 0, done.out
    assert "canary" not in done.out + done.err
    plan = workplace.tune("--dry-run", "api_key", "canary-4711", out="other")
    assert "--api_key=***" in plan.out
    assert "canary" not in plan.out
    out = workplace.root / "result"
    holders = {path.name for path in holding(out, b"canary-4711")}
    assert holders <= {"run.db", "run.db-wal", "spec.json"}
    for path in holding(out, b"canary-4711"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (out.stat().st_mode & 0o077, (out / "trials").stat().st_mode & 0o077) == (0, 0)
    again = workplace.run("run", "result/config.yaml", "--output_dir=two")
    assert again.code == 2
    assert "api_key is not stored in the file" in again.err
    again = workplace.run(
        "run", "result/config.yaml", "--output_dir=two", "api_key", "canary-4711"
    )
    assert again.code == 0, again.err


def holding(root: Path, text: bytes) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_the_value_of_a_secret_may_be_a_word_of_its_own() -> None:
    words = ["fit", "-token", "abc", "--api_key", "d", "-v", "--lr", "1", "--token", "--amp"]
    assert masked(words) == [
        "fit", "-token", "***", "--api_key", "***", "-v", "--lr", "1", "--token", "--amp"
    ]  # fmt: skip
