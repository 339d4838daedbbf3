"""The report on spaces in which trials fail, and what methods are told of failures."""

from __future__ import annotations

import math
from pathlib import Path

from benchmarks import failing_spaces
from benchmarks.failing_spaces import Found, Search, memory, step
from benchmarks.search_quality import yahpo
from benchmarks.search_quality.method import filled


def test_a_failed_trial_is_filled_with_the_worst_score_so_far() -> None:
    known: list[float] = []
    assert filled([math.nan], known) == [0.0]
    assert filled([3.0, math.nan, 2.0], known) == [3.0, 2.0, 2.0]
    assert filled([math.nan, 5.0], known) == [2.0, 5.0]


def test_larger_networks_and_batches_need_more_memory_and_fast_ones_step_further() -> None:
    init = yahpo.space().init_params
    for name in ("max_units", "num_layers", "batch_size"):
        assert memory({**init, name: int(str(init[name])) + 1}) > memory(init)
    for name in ("learning_rate", "momentum"):
        assert step({**init, name: float(str(init[name])) * 1.1}) > step(init)


def test_the_report_has_methods_with_all_searches_best_first() -> None:
    ones = [Search("lcbench/1", "memory", 0.5, m, s) for m in ("a", "b", "c") for s in (0, 1)]
    half = (True, False) * 50
    late = (False,) * 75 + (True,) * 25
    found = {one: Found(half, (0.4,) * 50 + (0.2,) * 50) for one in ones[:2]}
    found |= {one: Found(late, (0.3,) * 50 + (0.1,) * 50) for one in ones[2:4]}
    assert failing_spaces.report({**found, ones[4]: found[ones[0]]}, ones).splitlines() == [
        "memory: 50% of random configurations fail; 1 instances, 2 seeds",
        "method | failed | failed in second half | regret@50 | regret@100",
        "b | 25.0% [25.0%, 25.0%] | 50.0% [50.0%, 50.0%] | 0.3000 [0.3000, 0.3000] | "
        "0.1000 [0.1000, 0.1000]",
        "a | 50.0% [50.0%, 50.0%] | 50.0% [50.0%, 50.0%] | 0.4000 [0.4000, 0.4000] | "
        "0.2000 [0.2000, 0.2000]",
    ]


def test_searches_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    one = Search("lcbench/1", "chance", 0.1, "pshe2", 3)
    found = Found((True, False), (1.0, 0.5))
    failing_spaces.append(path, one, found)
    assert failing_spaces.read(path) == {one: found}
