"""The parts of a trial on several nodes, and how their ends are read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from autofinetune.executors.base import Process
from autofinetune.executors.ray.member import in_parts, is_bad, record_of
from autofinetune.executors.ray.trees import Damaged
from tests.forking import attempt_of

ADDRESSES = [("10.0.0.1", [1, 2]), ("10.0.0.2", [3, 4])]


def test_each_node_runs_its_part_of_the_ranks(tmp_path: Path) -> None:
    attempt = attempt_of(tmp_path)
    first, second = in_parts(attempt, 4, ADDRESSES)
    found = [one.env for part in (first, second) for one in part.processes]
    assert [own["RANK"] for own in found] == ["0", "1", "2", "3"]
    assert [own["LOCAL_RANK"] for own in found] == ["0", "1", "0", "1"]
    assert {own["MASTER_ADDR"] for own in found} == {"10.0.0.1"}
    assert {one.argv for part in (first, second) for one in part.processes} == {attempt.argv}
    assert (first.framework, second.framework) == ("", "")
    assert first.run == attempt.run != second.run


def test_tasks_keep_their_own_variables_but_for_those_of_their_ranks(tmp_path: Path) -> None:
    tasks = [Process("worker", ("x",), {"DATA": str(n), "RANK": "9"}) for n in range(4)]
    attempt = dataclasses.replace(attempt_of(tmp_path), processes=tuple(tasks))
    parts = in_parts(attempt, 4, ADDRESSES)
    found = [(one.env["DATA"], one.env["RANK"]) for part in parts for one in part.processes]
    assert found == [(str(n), str(n)) for n in range(4)]


def test_an_end_is_read_from_its_record_or_from_what_the_node_says() -> None:
    assert record_of({"end": ""}) is None
    record = record_of({"end": "exit", "exit": '{"why": "exit", "returncode": 0, "seconds": 1}'})
    assert record is not None
    assert not is_bad(record)
    for end, word in (("lost", "no_record"), ("not_started", "not_started")):
        lost = record_of({"end": end})
        assert lost is not None
        assert (lost["why"], lost["error"], is_bad(lost)) == ("lost", word, True)
    with pytest.raises(Damaged, match="its exit record is none"):
        record_of({"end": "exit", "exit": '{"why": "exit"}'})
