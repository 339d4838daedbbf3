"""The pure parts of the comparison: regret, ranks, intervals, tasks, the file of results."""

from __future__ import annotations

import ast
import inspect
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from autofinetune.space import load_space
from autofinetune.strategies import base
from benchmarks.search_quality import (
    cells,
    classic,
    code,
    doc,
    methods,
    metrics,
    results,
    synthetic,
    trainings,
)
from benchmarks.search_quality import tasks as task_list
from benchmarks.search_quality.method import PARALLEL
from benchmarks.search_quality.task import Scale, Task

SPACE = load_space(
    {
        "param_list": [
            {"name": "x", "type": "float", "init_value": 0.1, "greater_than": 0, "lower_than": 1},
            {"name": "n", "type": "int", "init_value": 3, "greater_than": 1, "lower_than": 9},
            {"name": "c", "type": "choice", "choices": ["a", None, True]},
        ]
    }
)
TASK = Task("bbob/toy", SPACE, lambda params: -float(str(params["x"])), Scale(0.0, -0.5))


def test_regret_is_0_at_the_best_and_1_at_the_median_and_never_rises() -> None:
    curve = metrics.regret_curve([10.0, 30.0, 20.0], 5, Scale(best=30.0, median=10.0))
    assert curve.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert metrics.regret_curve([], 2, Scale(1.0, 0.0)).tolist() == [1.0, 1.0]


def test_a_better_score_than_the_best_known_has_a_regret_below_zero() -> None:
    assert metrics.regret_curve([40.0], 1, Scale(30.0, 10.0)).tolist() == [-0.5]


def test_equal_values_share_their_rank() -> None:
    assert metrics.ranks(np.array([[0.3, 0.1, 0.1, 0.9]])).tolist() == [[3.0, 1.5, 1.5, 4.0]]


def test_the_interval_holds_the_mean_and_is_a_point_without_spread() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, (20, 5, 3))
    low, high = metrics.bootstrap(values)
    assert low.shape == (3,)
    assert (low < values.mean(axis=(0, 1))).all() and (values.mean(axis=(0, 1)) < high).all()
    low, high = metrics.bootstrap(np.full((4, 2), 7.0))
    assert low == high == 7.0


def test_wins_have_a_tolerance() -> None:
    assert metrics.wins(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.2004, 0.1])) == (1, 1, 1)


@pytest.mark.parametrize(
    "problem",
    synthetic.every_problem(),
    ids=lambda problem: str(problem.name),
)
def test_a_function_is_zero_at_its_optimum_and_above_elsewhere(
    problem: synthetic.Problem,
) -> None:
    optimum = problem.optimum
    assert problem.loss(optimum) == pytest.approx(0.0, abs=1e-9)
    assert np.abs(optimum).max() <= 4.0
    params = {
        parameter.name: round(value) if parameter.type_name == "int" else float(value)
        for parameter, value in zip(problem.space, optimum, strict=True)
    }
    assert problem.score(params) == pytest.approx(0.0, abs=1e-9)
    rng = np.random.default_rng(0)
    assert min(problem.loss(problem.position(u)) for u in rng.random((50, problem.dim))) > 0.0


def test_every_task_without_data_has_a_scale() -> None:
    for name in task_list.names(None):
        task = task_list.load(name, None)
        assert task.scale.best > task.scale.median
        assert math.isfinite(task.evaluate(task.space.init_params))


def test_tasks_are_chosen_by_pattern() -> None:
    assert task_list.select(["bbob/sphere-*"], None) == [
        f"bbob/sphere-{dim}-1" for dim in synthetic.DIMS
    ]
    assert len(task_list.select(["bbob:3", "bbob:2"], None)) == 3
    assert not set(task_list.select(["heldout"], None)) & set(task_list.TUNED_ON)
    assert sum(task.startswith("lcbench/") for task in task_list.TUNED_ON) == 8
    without_data = {t for t in task_list.TUNED_ON if not t.startswith("lcbench/")}
    assert set(task_list.select(["tuned"], None)) == without_data


def test_spaces_with_conditions_are_told_apart() -> None:
    groups = results.families(trainings.names())
    conditional = groups["Real trainings with conditions"]
    models = {task.partition("/")[2].partition("-")[0] for task in conditional}
    assert models == {"kernels", "boosters"}
    assert not set(conditional) & set(groups["Real trainings"])
    assert set(groups[results.ALL]) == set(conditional) | set(groups["Real trainings"])


@pytest.mark.parametrize("model", trainings.MODELS)
def test_a_table_is_read_in_the_order_it_was_written(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = trainings.configurations(model)
    assert len(every) == trainings.space(model).size
    monkeypatch.setattr(trainings, "table", lambda instance: range(len(every)))
    for place in (0, 1, len(every) // 2, len(every) - 1):
        assert trainings.evaluate(f"{model}-any", every[place]) == place


@pytest.mark.parametrize(
    "method", ["random", "sobol", "cma", "paddlehub-hazero", "paddlehub-pshe2", *methods.OURS]
)
def test_a_search_is_repeatable_and_stays_in_the_space(method: str) -> None:
    first, again = (cells.run(TASK, method, 3, 20) for _ in range(2))
    assert first.best == again.best
    assert first.asked == 20
    if not method.startswith("paddlehub") and method != "grid":
        assert first.curve()[0] == -0.1  # the initial values


def test_all_members_of_the_classic_pshe2_share_one_momentum() -> None:
    search = classic.ClassicPSHE2(SPACE, 20, 0)
    search.epsilon = 0.0
    before = [list(x) for x in search._current]
    search.tell(search.ask(PARALLEL), [0.1, 0.5, 0.3, 0.2, 0.4])
    moves = [np.subtract(x, y) for x, y in zip(search._current, before, strict=True)]
    for move in moves:
        np.testing.assert_allclose(move, moves[0])
    # Round 1, d = 1 - 3 alpha = -0.5: the sum of d^0 ... d^4 times the last member's gradient,
    # of which its own best's part is 0.
    gain = sum((-0.5) ** k for k in range(PARALLEL))
    gradient = np.subtract(before[-1], before[1])
    np.testing.assert_allclose(moves[0], -0.5 * 0.5 * gain * gradient)


RECORDED = cells.RECORDED


@pytest.fixture(autouse=True)
def nothing_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "recorded"
    folder.mkdir()
    monkeypatch.setattr(cells, "RECORDED", folder)
    return folder


def test_a_cell_knows_the_best_score_so_far() -> None:
    cell = cells.cell("bbob/toy", "random", 0, 5, [1.0, 0.5, 3.0, 3.0, 2.0, 9.0], [9, 9, 0.1, 0.3])
    assert cell.best == [(0, 1.0), (2, 3.0)]
    assert cell.curve().tolist() == [1.0, 1.0, 3.0, 3.0, 3.0]
    assert cell.ms == 200.0
    assert cells.cell("bbob/toy", "random", 0, 5, [], []).curve().tolist() == []


def test_what_is_recorded_counts_as_if_it_had_been_run(
    tmp_path: Path, nothing_recorded: Path
) -> None:
    path = tmp_path / "cache.jsonl"
    one, two = (cells.run(TASK, "random", seed, 10) for seed in range(2))
    cells.append(path, one)
    assert cells.record(path, "monday") == 1
    cells.append(path, two)
    with pytest.raises(FileExistsError):
        cells.record(path, "monday")
    assert cells.record(path, "tuesday") == 1
    assert cells.record(path, "wednesday") == 0
    assert [file.name for file in sorted(nothing_recorded.iterdir())] == [
        "monday.jsonl.xz",
        "tuesday.jsonl.xz",
    ]
    assert cells.current(tmp_path / "nowhere") == {one.key: one, two.key: two}


def test_the_file_keeps_cells_and_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    cell = cells.run(TASK, "random", 0, 10)
    cells.append(path, cell)
    with path.open("a") as file:
        file.write('{"task": "torn')
    other = cells.run(TASK, "random", 1, 10)
    cells.append(path, other)
    assert list(cells.read(path)) == [cell, other]


def test_cells_of_other_code_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    cell = cells.run(TASK, "pshe2", 0, 5)
    cells.append(path, cells.Cell(**{**vars(cell), "code": "older"}))
    assert not cells.current(path)
    cells.append(path, cells.Cell(**{**vars(cell), "code": "older", "method": "pshe2@x"}))
    cells.append(path, cell)
    assert [key[1] for key in cells.current(path)] == ["pshe2@x", "pshe2"]


def test_only_what_all_methods_have_is_compared() -> None:
    found = {}
    for task in ("bbob/sphere-2-1", "bbob/sphere-5-1"):
        for method in ("a", "b"):
            for seed in range(3):
                if (task, method, seed) != ("bbob/sphere-5-1", "b", 2):
                    cell = cells.cell(task, method, seed, 5, [-1.0] * 5, [0.0])
                    found[cell.key] = cell
    group = results.select(found, ["bbob/sphere-2-1", "bbob/sphere-5-1"], ["a", "b"], 5)
    assert group is not None
    assert group.seeds == (0, 1) and len(group.tasks) == 2
    assert group.at(5).shape == (2, 2, 2)
    assert results.select(found, ["bbob/sphere-2-1"], ["a", "c"], 5) is None
    assert results.select(found, ["bbob/sphere-2-1"], [], 5) is None


def test_few_seeds_of_many_tasks_or_many_seeds_of_few() -> None:
    found = {}
    for task, seeds in (("bbob/sphere-2-1", 9), ("bbob/sphere-5-1", 1)):
        for seed in range(seeds):
            cell = cells.cell(task, "a", seed, 5, [-1.0] * 5, [0.0])
            found[cell.key] = cell
    deep = results.select(found, ["bbob/sphere-2-1", "bbob/sphere-5-1"], ["a"], 5)
    wide = results.select(found, ["bbob/sphere-2-1", "bbob/sphere-5-1"], ["a"], 5, is_wide=True)
    assert deep is not None
    assert wide is not None
    assert (len(deep.tasks), len(deep.seeds)) == (1, 9)
    assert (len(wide.tasks), len(wide.seeds)) == (2, 1)


def test_a_method_of_few_cells_is_left_out_unless_it_has_those_of_the_others() -> None:
    found = {}
    for method, seeds in (("ours", range(4)), ("dear", range(1)), ("cheap", range(50))):
        for seed in seeds:
            cell = cells.cell("bbob/sphere-2-1", method, seed, 5, [-1.0] * 5, [0.0])
            found[cell.key] = cell
    group, left_out = results.group(found, ["bbob/sphere-2-1"], [], 5, ["ours"])
    assert group is not None
    assert group.methods == ("cheap", "ours")
    assert left_out == {"dear": 1}


def test_the_document_tells_of_slow_peers_and_long_searches_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doc, "DOCS", tmp_path)
    cache = tmp_path / "cells.jsonl"
    tasks = [f"bbob/sphere-{dim}-1" for dim in (2, 5, 10)]
    for method in ("pshe2", "hazero", "paddlehub-pshe2", "paddlehub-hazero", "cma", "smac3"):
        for place, task in enumerate(tasks[: 1 if method == "smac3" else 3]):
            trials = 200 if place == 0 else 100
            scores = [-1.0 - 1.0 / n for n in range(1, trials + 1)]
            cells.append(cache, cells.cell(task, method, 0, trials, scores, [0.0] * 40))
    (tmp_path / "search_quality.md").write_text(
        "# A\n\n## Protocol\n\nstale\n\n## All tasks not tuned on\n\nstale\n\n"
        "## All tasks not tuned on, with x\n\nCommit abc.\n\n## No rounds\n\nCommit def.\n"
    )
    (tmp_path / "cells.speed.json").write_text("{}")
    doc.keep(cache, "Speed", {"pshe2": {"100": 0.02, "1000": 0.1}})
    doc.write(cache, tasks, [], [50, 100])
    told = (tmp_path / "search_quality.md").read_text()
    assert "stale" not in told
    assert "| pshe2 | 20 | - | 100 | - |\n\nCommit unknown.\n" in told
    assert "## No rounds\n\nCommit def.\n" in told
    titles = [line for line in told.splitlines() if line.startswith("## All tasks")]
    assert titles == [
        "## All tasks not tuned on",
        "## All tasks not tuned on, with smac3",
        "## All tasks not tuned on, 200 trials",
        "## All tasks not tuned on, with x",
    ]
    assert "regret@50 | regret@100 | rank@50 | rank@100" in told
    assert "regret@100 | regret@200 | rank@100 | rank@200" in told
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {path.suffix for path in files} == {".jsonl", ".md", ".svg", ".json"}


def test_a_result_counts_as_long_as_the_sources_of_its_strategy_stay_the_same() -> None:
    folder = Path(inspect.getfile(base)).parent
    tpe = {path.relative_to(folder.parent).as_posix() for path in code.sources(folder / "tpe.py")}
    assert {"strategies/tpe.py", "strategies/base.py", "strategies/turns.py"} < tpe
    assert {"space/__init__.py", "space/space.py"} < tpe
    assert not any(path.startswith("surrogate/") for path in tpe)
    assert not {"space/yaml_file.py", "space/wandb.py"} & tpe
    pshe2 = {p.relative_to(folder.parent).as_posix() for p in code.sources(folder / "pshe2.py")}
    assert {"surrogate/gp.py", "surrogate/climb.py", "strategies/design.py"} < pshe2
    assert "strategies/hazero.py" not in pshe2
    assert code.digest("pshe2") != code.digest("hazero")


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("def f(a):\n    return g(a, 1)  # why", True),
        ('def f(a: int) -> int:\n    """What."""\n    return g(a, 1)', True),
        ("from here import g\ndef f(a):\n    return g(a, 1)", False),
        ("def f(a):\n    return g(a, 2)", False),
        ("def f(a):\n    return g(a, True)", False),
        ("def f(b):\n    return g(b, 1)", False),
    ],
)
def test_the_digest_is_that_of_what_code_does(other: str, is_same: bool) -> None:
    one = code.normalized(ast.parse("def f(a):\n    return g(a, 1)"))
    assert (code.normalized(ast.parse(other)) == one) == is_same


def test_a_module_that_moves_and_an_error_in_other_words_keep_the_digest() -> None:
    one = "from a.b import c\nraise E(f'is {x}', 1)"
    other = "from .d import c\nraise E('was it', 1)"
    assert code.normalized(ast.parse(one)) == code.normalized(ast.parse(other))


def test_the_recorded_searches_are_those_of_the_code_as_it_is() -> None:
    kept = itertools.chain(*map(cells.read, RECORDED.glob("*.jsonl.xz")))
    own = {(c.method, c.code) for c in kept if c.code and "@" not in c.method}
    assert {method for method, _ in own} > {"pshe2", "hazero", "tpe", "random"}
    assert [method for method, found in own if found != cells.code_of(method)] == []


def test_the_table_of_the_tuners_can_be_put_into_the_document_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doc, "DOCS", tmp_path)
    monkeypatch.setattr(results, "scale_of", lambda task: Scale(0.0, -1.0))
    document, cache = tmp_path / "search_quality.md", tmp_path / "cells.jsonl"
    document.write_text(
        "# A\n\n## Protocol\n\nfirst\n\n## B\n\nmiddle\n\n## Tuners and their namesakes\n\nold\n\n"
        "## Speed\n\nlast\n"
    )
    for method, score in (("tpe", -0.1), ("random", -0.2), ("optuna-tpe", -0.15)):
        cells.append(cache, cells.cell("lcbench/1", method, 0, 100, [score] * 100, [0.0]))
    doc.write_namesakes(cache, ["lcbench/1"])
    told = document.read_text()
    kept = "# A\n\n## Protocol\n\nfirst\n\n## B\n\nmiddle\n\n## Tuners and their namesakes\n\n"
    assert told.startswith(kept)
    assert told.endswith("\n\n## Speed\n\nlast\n")
    assert told.count("Commit ") == 1
    assert "old" not in told
    assert (
        "| tpe | 0.100 | optuna-tpe | 0.150 | -0.050 [-0.050, -0.050] | 1 tasks × 1 seeds |"
        in told
    )
