"""Secrets are not shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.config.masking import masked
from tests.cli.conftest import Workplace, workplace

__all__ = ["workplace"]  # the fixture


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
