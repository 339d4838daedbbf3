"""Records are JSON whatever is in them."""

from __future__ import annotations

import json
import math
from pathlib import Path

from autofinetune.run.recorded import recorded_run
from autofinetune.run.records import as_json, best_record, trial_records
from tests.runs import Written, mixed


def test_numbers_that_are_not_finite_become_null() -> None:
    values = {"a": [1.0, math.nan, (math.inf, -math.inf)], "b": {"c": math.nan}, "d": "nan"}
    text = as_json(values)
    assert json.loads(text) == {"a": [1.0, None, [None, None]], "b": {"c": None}, "d": "nan"}


def test_json_is_ascii_on_one_line() -> None:
    text = as_json({"é\n": "\x1b\u2028\udcff"})
    assert text.isascii()
    assert text.isprintable()


def test_a_later_attempt_than_was_read_has_no_curve_yet(tmp_path: Path) -> None:
    run = Written(tmp_path / "run")
    run.created(0, **mixed())
    run.started(0)
    run.reported(0, 0.1)
    with recorded_run(run.paths.root) as found:
        run.lost(0, "exit:1")
        run.started(0)
        run.reported(0, 0.9)
        run.created(1, **mixed())
        run.started(1)
        run.reported(1, 0.5)
        (record,) = trial_records(found)
    assert record["curve"] == [[0, 0.1]]


def test_a_moved_run_is_shown_where_it_is(tmp_path: Path) -> None:
    run = Written(tmp_path / "run")
    run.trial(0, 0.5, mixed())
    with recorded_run(run.paths.root) as found:
        (tmp_path / "run").rename(tmp_path / "moved")
        record = best_record(found, found.best, ())
    assert record["output_dir"] == str(tmp_path / "moved")
    assert record["model"] == str(tmp_path / "moved/round0/model-0")
    assert record["model_state"] == "saved"


def test_the_state_follows_from_the_end_and_the_lock(tmp_path: Path) -> None:
    run = Written(tmp_path / "run")
    run.trial(0, 0.5, mixed())
    with recorded_run(run.paths.root) as found:
        assert found.run_state[0].value == "ERROR"
        assert found.planned == 9
    run.done("timeout")
    with recorded_run(run.paths.root) as found:
        assert found.run_state[0].value == "TIMEOUT"
