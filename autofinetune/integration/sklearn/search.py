"""The search itself; `trials.py` decides what is fitted next, `space.py` reads the space.

scikit-learn's own searches evaluate lists of candidates, one list after the other. Here `fit` is
written again with the same parts of scikit-learn (1.4 to 1.9), so that no worker waits for others.
"""

from __future__ import annotations

import inspect
import numbers
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, effective_n_jobs
from sklearn import get_config
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _fit_and_score,
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import check_random_state, indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import _check_method_params

from autofinetune.space import Space
from autofinetune.strategies import Strategy, create_strategy

from .space import SpaceLike, read_space
from .trials import OneAtATime, Outcome, Task, Trials, mean_score


class AutofinetuneSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Hyperparameter search with cross-validation that learns from the scores so far.

    It is used like `RandomizedSearchCV` and has the same attributes and methods. The parameters
    of `estimator` itself are tried first, if they are inside the space.

    Args:
        estimator: any estimator of scikit-learn, or a pipeline.
        space: a dict of parameter names, each with a list of values, a distribution of
            scipy.stats, a range `(low, high)`, both ends included, or `aft.loguniform(...)` and
            the like; a list of such dicts, of which each candidate takes one; or the path or
            content of an hparam.yaml.
        n_iter: the number of candidates, at least 1; fewer if the space has fewer.
        strategy: the search algorithm, a name that `autofinetune strategies` lists.
        popsize: members of the strategy's population, at least 1.
        strategy_options: settings of the search algorithm, such as `{"design": 15}`.
        scoring: as for `RandomizedSearchCV`. With several metrics the search maximizes the one
            that `refit` names, and otherwise the first.
        n_jobs: fits that run at the same time; None is 1, -1 is one for each processor. No worker
            waits for another. A search is repeatable only with 1.
        random_state: a number makes the search repeatable.
        refit, cv, verbose, error_score, return_train_score: as for `RandomizedSearchCV`.

    `fit` raises UsageError if `space` or `strategy` is wrong, and what scikit-learn raises.
    """

    _required_parameters: ClassVar[list[str]] = ["estimator", "space"]
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSearchCV._parameter_constraints,
        "space": [dict, list, str, Path],
        "n_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "strategy": [str],
        "popsize": [Interval(numbers.Integral, 1, None, closed="left")],
        "strategy_options": [dict, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        space: SpaceLike,
        *,
        n_iter: int = 50,
        strategy: str = "pshe2",
        popsize: int = 5,
        strategy_options: Mapping[str, object] | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.space = space
        self.n_iter = n_iter
        self.strategy = strategy
        self.popsize = popsize
        self.strategy_options = strategy_options
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:  # scikit-learn 1.6 and later
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = get_tags(self.estimator).target_tags.multi_output
        return tags

    @property
    def set_callbacks(self) -> Any:
        """Absent, so that scikit-learn 1.9 knows that callbacks of a search are not called."""
        raise AttributeError("AutofinetuneSearchCV calls no callbacks; set them on its estimator")

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> AutofinetuneSearchCV:  # noqa: N803
        """Search, then fit the best estimator to all of `X` and `y`.

        Args:
            X: samples, `(n_samples, n_features)`, or what the estimator takes.
            y: targets, `(n_samples,)` or `(n_samples, n_outputs)`; None for unsupervised learning.
            params: what the estimator, the scorer and the splitter get, such as `sample_weight`
                and `groups`, as for `RandomizedSearchCV`.
        """
        scorers, metric = self._scorers_and_metric()
        X, y = indexable(X, y)  # noqa: N806
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        splits = self._splits(X, y, routed.splitter.split)
        base = clone(self.estimator)
        searched = read_space(self.space, base.get_params())
        trials = Trials(
            self._new_strategy(searched.space),
            self.n_iter,
            len(splits),
            partial(mean_score, metric=self.refit),
        )
        if self.verbose > 0:
            print(f"Fitting {len(splits)} folds for each of up to {self.n_iter} candidates")

        def call(task: Task) -> Any:
            number, fold = task
            train, test = splits[fold]
            return delayed(_fit)(
                task,
                clone(base),
                X,
                y,
                scorer=scorers,
                train=train,
                test=test,
                verbose=self.verbose,
                parameters=searched.params(trials.candidates[number].params),
                fit_params=routed.estimator.fit,
                score_params=routed.scorer.score,
                return_train_score=self.return_train_score,
                return_n_test_samples=True,
                return_times=True,
                split_progress=(fold, len(splits)),
                candidate_progress=(number, self.n_iter),
                error_score=self.error_score,
            )

        run_tasks(trials, call, self.n_jobs)
        self.n_splits_ = len(splits)
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        all_params = [searched.params(candidate.params) for candidate in trials.candidates]
        self._take_results(all_params, trials.outcomes, metric)
        if self.refit:
            self._fit_best(base, X, y, routed.estimator.fit)
        return self

    def _scorers_and_metric(self) -> tuple[Any, Any]:
        """Return the scorers, and the metric that decides: `score` if there is only one."""
        arguments = inspect.signature(self._get_scorers).parameters
        scorers, metric = self._get_scorers(**dict.fromkeys(arguments, False))  # one in 1.4 only
        return scorers, metric

    def _splits(self, X: Any, y: Any, params: Mapping[str, Any]) -> list[Any]:  # noqa: N803
        """Return the samples to train with and to score with, for each fold."""
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **params))
        expected = cv.get_n_splits(X, y, **params)
        if not splits or len(splits) != expected:
            raise ValueError(f"cv gives {len(splits)} splits, but get_n_splits is {expected}")
        return splits

    def _new_strategy(self, space: Space) -> Strategy:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return create_strategy(
            self.strategy,
            space,
            popsize=self.popsize,
            seed=seed,
            options=self.strategy_options,
        )

    def _take_results(
        self, params: list[dict[str, Any]], outcomes: list[Outcome], metric: Any
    ) -> None:
        """Set `cv_results_` and the attributes about the best candidate."""
        _warn_or_raise_about_fit_failures(outcomes, self.error_score)
        if callable(self.scoring):  # only its results show whether it has several metrics
            _insert_error_scores(outcomes, self.error_score)
        scores = outcomes[0]["test_scores"]
        self.multimetric_ = isinstance(scores, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(scores)
            metric = self.refit
        self.cv_results_ = results = self._format_results(params, self.n_splits_, outcomes)
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]

    def _fit_best(self, base: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> None:  # noqa: N803
        """Fit the best estimator to all samples."""
        best = clone(base).set_params(**clone(self.best_params_, safe=False))
        started = time.time()
        self.best_estimator_ = best.fit(*((X,) if y is None else (X, y)), **fit_params)
        self.refit_time_ = time.time() - started
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_


def _fit(task: Task, *given: Any, **named: Any) -> tuple[Task, Outcome]:
    """Fit and score one fold; return the task with it, as results arrive in any order."""
    return task, _fit_and_score(*given, **named)


def run_tasks(trials: Trials, call: Callable[[Task], Any], n_jobs: int | None) -> None:
    """Run all tasks; `call` makes a call for joblib of a task."""
    workers = effective_n_jobs(n_jobs)
    calls = map(_configured(), map(call, trials))
    parallel = Parallel(
        n_jobs=n_jobs, pre_dispatch=workers, batch_size=1, return_as="generator_unordered"
    )
    while not trials.is_over:
        for task, outcome in parallel(OneAtATime(calls, workers) if workers > 1 else calls):
            trials.tell(task, outcome)


def _configured() -> Callable[[Any], Any]:
    """Return a function that gives calls the configuration of scikit-learn and the warnings."""
    config, filters = get_config(), list(warnings.filters)

    def add(call: Any) -> Any:
        function, args, named = call
        if hasattr(function, "with_config_and_warning_filters"):  # not in 1.4
            return function.with_config_and_warning_filters(config, filters), args, named
        return function.with_config(config), args, named

    return add
