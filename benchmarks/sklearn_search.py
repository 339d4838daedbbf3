"""AutofinetuneSearchCV beside the searches of scikit-learn, at equal time, and how busy slots are.

    python -m benchmarks.sklearn_search quality [--seeds=8] [--jobs=1] [--json=FILE]
    python -m benchmarks.sklearn_search slots [--seeds=8] [--jobs=4] [--candidates=20]

`quality`: three of scikit-learn's data sets, at most 600 samples of each. A seed splits off a
third of them and seeds the search; all methods of a task and a seed are run one after the other,
in one process on one thread, with the same five folds. A search has five seconds of processor
time, ten with gradient boosting, its own work included. RandomizedSearchCV and
AutofinetuneSearchCV are stopped there. HalvingRandomSearchCV gets as many candidates as take that
long in a pilot search, with `min_resources="exhaust"`, so that its last round uses all samples.
Regret is that of the cross-validated score with all samples: 0 for the best score of any method
with the same seed, 1 for the median of RandomizedSearchCV's candidates. Held out is the score of
the best candidate, trained again, on the third that was split off.

`slots`: models that only sleep, for times that differ by a factor of ten. Idle is the share of the
slots' time in which none sleeps. Rounds are of as many candidates as there are slots.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (makes the next possible)
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

from autofinetune.integration.sklearn import AutofinetuneSearchCV
from autofinetune.integration.sklearn.space import read_space
from autofinetune.strategies import create_strategy

FOLDS = 5
PILOT = 30  # candidates
FOLDS_OF_SLEEPERS = 5
SAMPLES = 100
RESAMPLES = 2000
OURS, RANDOM = "AutofinetuneSearchCV", "RandomizedSearchCV"
HALVING = "HalvingRandomSearchCV"
METHODS = (OURS, RANDOM, HALVING)
MOST_SAMPLES = 600  # so that a search tries dozens of candidates
MOST = 600  # candidates, more than any search can try in its time


@dataclass(frozen=True)
class Task:
    """A data set, a model, its space, the name of the score, and the seconds of a search."""

    load: Any
    estimator: Any
    space: Mapping[str, Any]
    scoring: str
    budget: float = 5.0


TASKS = {
    "digits, PCA and SVC, accuracy": Task(
        load_digits,
        Pipeline([("pca", PCA(random_state=0)), ("svc", SVC())]),
        {
            "pca__n_components": randint(5, 64),
            "pca__whiten": [True, False],
            "svc__C": loguniform(1e-2, 1e3),
            "svc__gamma": loguniform(1e-6, 1e-1),
            "svc__kernel": ["rbf", "poly", "sigmoid"],
        },
        "accuracy",
    ),
    "breast cancer, SGD, log loss": Task(
        load_breast_cancer,
        Pipeline(
            [
                ("scale", StandardScaler()),
                ("sgd", SGDClassifier("log_loss", penalty="elasticnet", random_state=0)),
            ]
        ),
        {
            "sgd__alpha": loguniform(1e-6, 1e1),
            "sgd__l1_ratio": uniform(0, 1),
            "sgd__learning_rate": ["optimal", "constant", "invscaling", "adaptive"],
            "sgd__eta0": loguniform(1e-4, 1e1),
            "sgd__power_t": uniform(0.1, 0.8),
            "sgd__average": [False, True],
        },
        "neg_log_loss",
    ),
    "diabetes, gradient boosting, R2": Task(
        load_diabetes,
        GradientBoostingRegressor(random_state=0),
        {
            "learning_rate": loguniform(1e-3, 1.0),
            "n_estimators": randint(10, 51),
            "max_depth": randint(1, 6),
            "subsample": uniform(0.3, 0.7),
            "min_samples_leaf": randint(1, 60),
            "max_features": uniform(0.1, 0.9),
        },
        "r2",
        budget=10.0,
    ),
    "diabetes, SVR, R2": Task(
        load_diabetes,
        Pipeline([("scale", StandardScaler()), ("svr", SVR(max_iter=50_000))]),
        {
            "svr__kernel": ["rbf", "linear", "sigmoid"],
            "svr__C": loguniform(1e-2, 1e3),
            "svr__gamma": loguniform(1e-5, 1.0),
            "svr__coef0": uniform(0, 1),
            "svr__epsilon": loguniform(1e-2, 1e2),
        },
        "r2",
    ),
}


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


def interval(values: Sequence[float], digits: int) -> str:
    """Return the mean and its 95 % interval, of bootstrap samples."""
    array = np.array(values)
    picks = np.random.default_rng(0).integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.quantile(array[picks].mean(axis=1), [0.025, 0.975])
    return f"{array.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


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


class Sleeper(BaseEstimator):  # type: ignore[misc]
    """A model that sleeps instead of learning; its score is minus the distance from a point."""

    def __init__(
        self, seconds: float = 0.1, a: float = 0.0, b: float = 0.0, c: float = 0.0
    ) -> None:
        self.seconds, self.a, self.b, self.c = seconds, a, b, c

    def fit(self, X: Any, y: Any = None) -> Sleeper:  # noqa: N803
        time.sleep(self.seconds * len(X) / SAMPLES)
        return self

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        return -math.dist((self.a, self.b, self.c), (0.3, 0.6, 0.8))


class Rounds(BaseSearchCV):  # type: ignore[misc]
    """A search of scikit-learn that asks for a round of candidates and waits for all of them."""

    def __init__(self, estimator: Any, space: Any, n_iter: int, size: int, **named: Any) -> None:
        super().__init__(estimator, n_jobs=size, refit=False, cv=named["cv"])
        self.space, self.n_iter, self.size = space, n_iter, size
        self.random_state = named["random_state"]

    def _run_search(self, evaluate_candidates: Any, callback_ctx: Any = None) -> None:
        searched = read_space(self.space, {})
        strategy = create_strategy("pshe2", searched.space, popsize=5, seed=self.random_state)
        done = 0
        while done < self.n_iter:
            asked = strategy.ask(min(self.size, self.n_iter - done))
            results = evaluate_candidates([searched.params(one.params) for one in asked])
            for one, score in zip(asked, results["mean_test_score"][done:], strict=True):
                strategy.tell(one, float(score))
            done += len(asked)


def slots(seeds: int, jobs: int, candidates: int) -> None:
    space = {"seconds": loguniform(0.2, 2.0)} | {name: uniform(0, 1) for name in "abc"}
    samples = np.zeros((SAMPLES, 1))
    whole = [(np.arange(SAMPLES), np.arange(1))]
    ways = {
        "a task is a fold": (AutofinetuneSearchCV, FOLDS_OF_SLEEPERS),
        "a task is a candidate": (AutofinetuneSearchCV, whole),
        "rounds": (Rounds, FOLDS_OF_SLEEPERS),
    }
    AutofinetuneSearchCV(Sleeper(), space, n_iter=jobs, n_jobs=jobs).fit(samples)  # starts them
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for seed in range(seeds):
        for way, (kind, cv) in ways.items():
            named = {"size": jobs} if kind is Rounds else {"n_jobs": jobs, "refit": False}
            search = kind(Sleeper(), space, n_iter=candidates, cv=cv, random_state=seed, **named)
            started = time.perf_counter()
            results = search.fit(samples).cv_results_
            wall = time.perf_counter() - started
            slept = results["mean_fit_time"].sum() * search.n_splits_
            found[way].append((1.0 - slept / (wall * jobs), -results["mean_test_score"].max()))
    print(f"{jobs} slots, {candidates} candidates, {seeds} seeds\n")
    print("| | idle | distance of the best from the optimum |\n|---|---|---|")
    for way, pairs in found.items():
        idle, distance = zip(*pairs, strict=True)
        print(f"| {way} | {interval(idle, 3)} | {interval(distance, 3)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("quality")
    part.add_argument("--seeds", type=int, default=8)
    part.add_argument("--jobs", type=int, default=1, help="tasks measured at the same time")
    part.add_argument("--json", type=Path, help="where to write the results of every search")
    part = parts.add_parser("slots")
    part.add_argument("--seeds", type=int, default=8)
    part.add_argument("--jobs", type=int, default=4)
    part.add_argument("--candidates", type=int, default=20)
    given = parser.parse_args()
    if given.part == "quality":
        quality(given.seeds, given.jobs, given.json)
    else:
        slots(given.seeds, given.jobs, given.candidates)


if __name__ == "__main__":
    main()
