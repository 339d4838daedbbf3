"""What each method finds in the same processor time."""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (makes the next possible)
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from threadpoolctl import threadpool_limits

from autofinetune.integration.sklearn import AutofinetuneSearchCV

from .figures import interval
from .tasks import TASKS, Task

FOLDS = 5
PILOT = 30  # candidates
MOST_SAMPLES = 600  # so that a search tries dozens of candidates
MOST = 600  # candidates, more than any search can try in its time
OURS, RANDOM = "AutofinetuneSearchCV", "RandomizedSearchCV"
HALVING = "HalvingRandomSearchCV"
METHODS = (OURS, RANDOM, HALVING)


class OutOfTime(BaseException):
    """Ends a search; no `except Exception` of scikit-learn catches it."""


class Clock:
    """A scorer that notes when each fold was scored; ends the search after `budget` seconds."""

    def __init__(self, scoring: str, names: Sequence[str], budget: float) -> None:
        self._score = get_scorer(scoring)
        self._names = names
        self._budget = budget
        self._start = time.process_time()
        self.folds: list[tuple[float, dict[str, Any], float]] = []

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:  # noqa: N803
        score = float(self._score(estimator, X, y))
        spent = time.process_time() - self._start
        if spent > self._budget:
            raise OutOfTime
        given = estimator.get_params()
        self.folds.append((spent, {name: given[name] for name in self._names}, score))
        return score

    def candidates(self) -> list[tuple[float, dict[str, Any], float]]:
        """When each candidate was complete, its parameters and its mean score."""
        whole = range(0, len(self.folds) - FOLDS + 1, FOLDS)
        groups = [self.folds[first : first + FOLDS] for first in whole]
        return [(g[-1][0], g[-1][1], float(np.mean([one[2] for one in g]))) for g in groups]


class Case:
    """A task with the split of a seed."""

    def __init__(self, task: Task, seed: int) -> None:
        self.task, self.seed = task, seed
        data, target = (array[:MOST_SAMPLES] for array in task.load(return_X_y=True))
        is_class = task.scoring != "r2"
        self.X, self.held_X, self.y, self.held_y = train_test_split(
            data, target, test_size=1 / 3, random_state=seed, stratify=target if is_class else None
        )
        folds = StratifiedKFold if is_class else KFold
        self.cv = folds(FOLDS, shuffle=True, random_state=seed)

    def search(self, method: str) -> list[tuple[float, dict[str, Any], float]]:
        """Return the candidates of a search that is stopped."""
        clock = Clock(self.task.scoring, [*self.task.space], self.task.budget)
        kind = AutofinetuneSearchCV if method == OURS else RandomizedSearchCV
        search = kind(
            self.task.estimator,
            self.task.space,
            n_iter=MOST,
            scoring=clock,
            cv=self.cv,
            random_state=self.seed,
        )
        with contextlib.suppress(OutOfTime):
            search.fit(self.X, self.y)
        return clock.candidates()

    def halve(self, n_candidates: int) -> tuple[float, dict[str, Any]]:
        """Return the seconds that successive halving took, and its best parameters."""
        search = HalvingRandomSearchCV(
            self.task.estimator,
            self.task.space,
            n_candidates=n_candidates,
            min_resources="exhaust",
            scoring=self.task.scoring,
            cv=self.cv,
            random_state=self.seed,
            refit=False,
        )
        start = time.process_time()
        search.fit(self.X, self.y)
        return time.process_time() - start, search.best_params_

    def cross_validated(self, params: Mapping[str, Any]) -> float:
        model = clone(self.task.estimator).set_params(**params)
        scores = cross_val_score(model, self.X, self.y, cv=self.cv, scoring=self.task.scoring)
        return float(scores.mean())

    def held_out(self, params: Mapping[str, Any]) -> float:
        model = clone(self.task.estimator).set_params(**params).fit(self.X, self.y)
        return float(get_scorer(self.task.scoring)(model, self.held_X, self.held_y))


def compare(name: str, seed: int, n_halved: int) -> dict[str, Any]:
    """Run all methods on a task with a seed, in an order that rotates with the seed."""
    threadpool_limits(1)
    warnings.simplefilter("ignore")  # models that did not converge, in all methods
    case = Case(TASKS[name], seed)
    budget = case.task.budget
    found: dict[str, Any] = {}
    random: list[float] = []
    turn = seed % len(METHODS)
    for method in METHODS[turn:] + METHODS[:turn]:
        if method == HALVING:
            seconds, params = case.halve(n_halved)
            score, half, tried = case.cross_validated(params), None, n_halved
        else:
            candidates = case.search(method)
            seconds, params, score = max(candidates, key=lambda one: one[2])
            seconds, tried = budget, len(candidates)
            half = max(one[2] for one in candidates if one[0] <= budget / 2)
            if method == RANDOM:
                random = [one[2] for one in candidates]
        found[method] = {
            "score": score,
            "half": half,
            "held_out": case.held_out(params),
            "seconds": seconds,
            "tried": tried,
        }
    best = max(one["score"] for one in found.values())
    width = best - float(np.median(random))
    for one in found.values():
        one["regret"] = (best - one["score"]) / width
        one["regret_half"] = None if one["half"] is None else (best - one["half"]) / width
    return found


def pilot(name: str) -> int:
    """Return how many candidates successive halving can take in the budget."""
    threadpool_limits(1)
    warnings.simplefilter("ignore")
    case = Case(TASKS[name], 10_000)
    tried = PILOT
    for _ in range(2):  # the second time with about the number that is right
        seconds, _ = case.halve(tried)
        tried = max(FOLDS, round(tried * case.task.budget / seconds))
    return tried


def table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the results by task, and of all tasks, as tables in Markdown."""
    lines = []
    every = [one for runs in results.values() for one in runs]
    for title, runs in {**results, "all tasks": every}.items():
        lines += [f"**{title}**", ""]
        lines += ["| method | candidates | seconds | regret at half the time | regret | "
                  "best score | held out | better / equal / worse than ours |",
                  "|---|---|---|---|---|---|---|---|"]  # fmt: skip
        for method in METHODS:
            mine = [run[method] for run in runs]
            gaps = [run[method]["score"] - run[OURS]["score"] for run in runs]
            counts = [sum(g > 1e-9 for g in gaps), sum(abs(g) <= 1e-9 for g in gaps)]
            half = [one["regret_half"] for one in mine]
            is_one = title in results
            cells = [
                f"`{method}`",
                f"{np.mean([one['tried'] for one in mine]):.0f}",
                f"{np.mean([one['seconds'] for one in mine]):.1f}",
                "" if None in half else interval(half, 3),
                interval([one["regret"] for one in mine], 3),
                interval([one["score"] for one in mine], 4) if is_one else "",
                interval([one["held_out"] for one in mine], 4) if is_one else "",
                "" if method == OURS else f"{counts[0]} / {counts[1]} / {len(gaps) - sum(counts)}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def quality(seeds: int, jobs: int, file: Path | None) -> None:
    """Print the tables, also of what `file` has already, which is not measured again."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in TASKS}
    if file and file.exists():
        results |= json.loads(file.read_text())
    cases = [(seed, name) for seed in range(seeds) for name in TASKS]
    cases = [(seed, name) for seed, name in cases if len(results[name]) <= seed]
    names = [name for name in TASKS if any(name == one[1] for one in cases)]
    with ProcessPoolExecutor(jobs) as pool:
        sizes = dict(zip(names, pool.map(pilot, names), strict=True))
        calls = [(name, seed, sizes[name]) for seed, name in cases]
        for (_, name), found in zip(
            cases, pool.map(compare, *zip(*calls, strict=True)), strict=True
        ):
            results[name].append(found)
            if file:
                file.write_text(json.dumps(results, indent=1))
    print(table({name: runs[:seeds] for name, runs in results.items()}))
