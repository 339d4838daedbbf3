"""What the benchmark of throughput writes, and that its smaller parts run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.throughput import page, status


def test_a_part_measured_again_replaces_its_block(tmp_path: Path) -> None:
    where = tmp_path / "throughput.md"
    page.put(where, "flat", "flat --trials=7", "old\n    text")
    page.put(where, "busy", "busy", "other")
    page.put(where, "flat", "flat", "third")
    text = where.read_text()
    assert "old" not in text
    assert text.index("other") < text.index("third")  # in the order of the parts
    assert "$ python -m benchmarks.throughput flat\nthird\n```" in text
    assert text.count("## ") == 2
    assert text.rstrip().splitlines()[-1].startswith("Not measured yet: From a free slot")


def test_the_status_of_a_small_run_is_told() -> None:
    assert "200 trials" in status.measure(200)
