"""More than 1,000 damaged spaces on the command line: exit code 2, with file and line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.cli import main
from autofinetune.errors import ConfigError
from autofinetune.space import parse_yaml, read_space
from tests.space.test_mutants import FILES, PLACE, mutant

MALFORMED = 350  # of each format


def malformed(source: str) -> Iterator[bytes]:
    """Damaged files that are no longer search spaces."""
    for seed in itertools.count():
        data = mutant(FILES[source], seed)
        try:
            read_space(parse_yaml(data, source))
        except ConfigError:
            yield data


@pytest.mark.parametrize("source", FILES)
def test_a_malformed_space_ends_with_2_and_names_its_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    for data in itertools.islice(malformed(source), MALFORMED):
        (tmp_path / source).write_bytes(data)
        words = ("train.py", f"--param_file={source}", "--gpu=cpu:1", "--output_dir=result")
        assert main(words) == 2, data
        told = capsys.readouterr()
        assert told.out == ""
        first, *mistakes = told.err.splitlines()
        assert first.startswith((f"ERROR {source} has ", f"ERROR {tmp_path / source} has "))
        assert any(PLACE.search(line) for line in mistakes), told.err
        assert "Traceback" not in told.err
    assert not (tmp_path / "result").exists()
