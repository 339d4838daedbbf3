"""How much of the time slots are idle, with models that only sleep."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator
from sklearn.model_selection._search import BaseSearchCV

from autofinetune.integration.sklearn import AutofinetuneSearchCV
from autofinetune.integration.sklearn.space import read_space
from autofinetune.strategies import create_strategy

from .figures import interval

FOLDS = 5
SAMPLES = 100


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
        "a task is a fold": (AutofinetuneSearchCV, FOLDS),
        "a task is a candidate": (AutofinetuneSearchCV, whole),
        "rounds": (Rounds, FOLDS),
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
