"""The fits of a search: which one comes next, and what the strategy is told.

Every fit of one fold is a task of its own. So the folds of a candidate run at the same time if
there are enough workers, and the next candidate is asked for only when no fold is left to start:
the strategy then knows more results than if each worker took a whole candidate.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from autofinetune.strategies import Candidate, Exhausted, Strategy

Task: TypeAlias = "tuple[int, int]"  # the number of a candidate and of a fold
Outcome: TypeAlias = "dict[str, Any]"  # what scikit-learn returns for a fit


class Trials:
    """Asks a strategy for up to `n_iter` candidates, each with `n_splits` fits.

    `score` makes a score of the outcomes of a candidate; None if it failed. Tasks may be taken by
    another thread than the one that tells outcomes.
    """

    def __init__(
        self,
        strategy: Strategy,
        n_iter: int,
        n_splits: int,
        score: Callable[[list[Outcome]], float | None],
    ) -> None:
        self.candidates: list[Candidate] = []
        self._outcomes: list[list[Outcome | None]] = []
        self._strategy = strategy
        self._n_iter = n_iter
        self._n_splits = n_splits
        self._score = score
        self._lock = threading.Lock()
        self._tasks = self._all_tasks()
        self.is_over = False

    def __iter__(self) -> Iterator[Task]:
        return self._tasks

    def _all_tasks(self) -> Iterator[Task]:
        while len(self.candidates) < self._n_iter:
            with self._lock:
                try:
                    asked = self._strategy.ask(1)
                except Exhausted:
                    break
                self.candidates += asked
                self._outcomes += [[None] * self._n_splits for _ in asked]
            for fold in range(self._n_splits):
                yield len(self.candidates) - 1, fold
        self.is_over = True

    def tell(self, task: Task, outcome: Outcome) -> None:
        """Record the outcome of a task; the strategy learns the score after the last fold."""
        number, fold = task
        self._outcomes[number][fold] = outcome
        outcomes = [one for one in self._outcomes[number] if one is not None]
        if len(outcomes) == self._n_splits:
            score = self._score(outcomes)
            with self._lock:
                self._strategy.tell(self.candidates[number], score)

    @property
    def outcomes(self) -> list[Outcome]:
        """All outcomes, in the order of candidates and of their folds."""
        return [one for outcomes in self._outcomes for one in outcomes if one is not None]


class OneAtATime(Iterator[Any]):
    """Tasks for a `joblib.Parallel` with `n_jobs` workers that it takes only when one is free.

    joblib takes `n_jobs` tasks at a time, although it needs one, and stops at the end of an
    iterator. So this one gives the first `n_jobs` tasks, which begin at once, and then seems to
    end after each further task.
    """

    def __init__(self, tasks: Iterator[Any], n_jobs: int) -> None:
        self._tasks = tasks
        self._left = n_jobs + 1

    def __next__(self) -> Any:
        if not self._left:
            self._left = 1
            raise StopIteration
        self._left -= 1
        return next(self._tasks)


def mean_score(outcomes: list[Outcome], metric: object) -> float | None:
    """Return the mean score over all folds, None if one failed.

    Of several metrics it is `metric`, or the first if there is none of this name.
    """
    if any(outcome["fit_error"] is not None for outcome in outcomes):
        return None
    total = 0.0
    for outcome in outcomes:
        scores = outcome["test_scores"]
        if isinstance(scores, dict):
            scores = scores[metric] if metric in scores else next(iter(scores.values()))
        total += float(scores)
    return total / len(outcomes) if math.isfinite(total) else None
