"""What the benchmark of throughput writes, and that its smaller parts run."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.page import THROUGHPUT
from benchmarks.throughput import models, status


def test_a_part_measured_again_replaces_its_block(tmp_path: Path) -> None:
    where = tmp_path / "throughput.md"
    THROUGHPUT.put(where, "flat", "benchmarks.throughput flat --trials=7", "AAA\n    text")
    THROUGHPUT.put(where, "busy", "benchmarks.throughput busy", "BBB")
    THROUGHPUT.put(where, "flat", "benchmarks.throughput flat", "CCC")
    text = where.read_text()
    assert "AAA" not in text
    assert text.index("BBB") < text.index("CCC")  # in the order of the parts
    assert "$ python -m benchmarks.throughput flat\nCCC\n```" in text
    assert text.count("## ") == 2
    assert text.rstrip().splitlines()[-1].startswith("Not measured yet: From a free slot")


def test_the_status_of_a_small_run_is_told() -> None:
    assert "200 trials" in status.measure(200)


def test_the_wait_for_a_model_is_measured() -> None:
    told = models.measure(2, 0.002)
    assert re.match(r"2 trials with a model of 0.002 GB, .* the slot waits \d+\.\d\d s", told)
