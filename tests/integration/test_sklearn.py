"""AutofinetuneSearchCV as users of scikit-learn call it; test_sklearn_estimator.py has more."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import RandomizedSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.parallel import delayed

import autofinetune as aft
from autofinetune.errors import ConfigError, UsageError
from autofinetune.integration.sklearn import AutofinetuneSearchCV
from autofinetune.integration.sklearn.search import run_tasks
from autofinetune.integration.sklearn.space import read_space
from autofinetune.integration.sklearn.trials import OneAtATime, Trials
from autofinetune.space import load_space
from autofinetune.strategies import create_strategy

X, Y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
TREES = {"max_depth": stats.randint(1, 8), "min_samples_leaf": aft.integers(1, 40, log=True)}


class Bowl(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Its score is best at x = 0.3; fits with a negative x fail."""

    def __init__(self, x: float = 0.9, wait: Any = None) -> None:
        self.x = x
        self.wait = wait

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Bowl:  # noqa: N803
        if self.x < 0:
            raise ValueError("x is negative")
        self.classes_ = np.unique(y)
        self.weight_ = None if sample_weight is None else float(np.sum(sample_weight))
        if self.wait is not None:
            self.wait()
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.full(len(X), self.classes_[0])

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # noqa: N803
        return -((self.x - 0.3) ** 2)


def test_a_search_has_what_randomized_search_has() -> None:
    search = AutofinetuneSearchCV(TREE, TREES, n_iter=8, cv=3, random_state=0).fit(X, Y)
    peer = RandomizedSearchCV(TREE, {"max_depth": [1, 2]}, n_iter=2, cv=3).fit(X, Y)
    attributes = {name for name in vars(peer) if name.endswith("_")}
    assert "best_estimator_" in attributes <= set(vars(search))
    results = search.cv_results_
    assert set(peer.cv_results_) < set(results)
    assert results["params"][search.best_index_] == search.best_params_
    assert search.best_score_ == max(results["mean_test_score"])
    expected = cross_val_score(clone(TREE).set_params(**search.best_params_), X, Y, cv=3)
    assert search.best_score_ == pytest.approx(expected.mean())
    assert search.score(X, Y) == search.best_estimator_.score(X, Y) > 0.9
    assert (search.n_splits_, search.n_features_in_, search.multimetric_) == (3, 4, False)


def test_it_is_repeatable_and_finds_the_best() -> None:
    found = [
        AutofinetuneSearchCV(Bowl(), {"x": stats.uniform(0, 1)}, n_iter=20, random_state=7)
        .fit(X, Y)
        .cv_results_["params"]
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert found[0][0] == {"x": 0.9}  # the parameters of the estimator come first
    assert min(abs(params["x"] - 0.3) for params in found[0]) < 0.01


def test_pipelines_and_values_of_any_kind() -> None:
    pipe = Pipeline([("scale", StandardScaler()), ("model", KNeighborsClassifier())])
    space = {
        "scale": [StandardScaler(), "passthrough"],
        "model__n_neighbors": np.arange(1, 30),
        "model__p": [1, 2],
    }
    search = AutofinetuneSearchCV(pipe, space, n_iter=6, cv=2, random_state=0).fit(X, Y)
    assert set(search.best_params_) == set(space)
    assert search.predict(X).shape == Y.shape
    either: list[dict[str, Any]] = [
        {"model": [KNeighborsClassifier()], "model__n_neighbors": (1, 9)},
        {"model": [TREE]},
    ]
    search = AutofinetuneSearchCV(pipe, either, n_iter=50, cv=2, random_state=0).fit(X, Y)
    assert len(search.cv_results_["params"]) == 10  # all there are
    assert sorted(map(len, search.cv_results_["params"])) == [1] + [2] * 9


def test_several_metrics() -> None:
    metrics = ["accuracy", "neg_log_loss"]
    named: dict[str, Any] = {"n_iter": 6, "cv": 3, "random_state": 0}
    search = AutofinetuneSearchCV(TREE, TREES, scoring=metrics, refit="neg_log_loss", **named)
    results = search.fit(X, Y).cv_results_
    assert search.best_score_ == results["mean_test_neg_log_loss"].max()
    assert {"mean_test_accuracy", "rank_test_accuracy"} <= set(results)
    assert search.score(X, Y) < 0

    def both(model: Any, X: Any, y: Any) -> dict[str, float]:  # noqa: N803
        return {"other": 0.0, "good": -float(model.x)}

    bowl = AutofinetuneSearchCV(Bowl(), {"x": (0.0, 1.0)}, scoring=both, refit="good")
    bowl.set_params(n_iter=15, random_state=0)
    assert bowl.fit(X, Y).best_score_ == pytest.approx(-bowl.best_params_["x"], abs=1e-9)
    assert bowl.best_params_["x"] < 0.01
    with pytest.raises(ValueError, match="refit"):
        AutofinetuneSearchCV(TREE, TREES, scoring=metrics, **named).fit(X, Y)


def test_failed_fits() -> None:
    search = AutofinetuneSearchCV(Bowl(), {"x": (-1.0, 1.0)}, n_iter=12, cv=2, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, Y)
    assert FitFailedWarning in [one.category for one in caught]
    scores = search.cv_results_["mean_test_score"]
    assert 0 < np.isnan(scores).sum() < 12
    assert search.best_score_ == np.nanmax(scores)
    with pytest.raises(ValueError, match="All the 6 fits failed"):
        AutofinetuneSearchCV(Bowl(), {"x": [-1.0, -2.0, -3.0]}, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match="x is negative"):
        AutofinetuneSearchCV(Bowl(), {"x": [-1.0]}, error_score="raise").fit(X, Y)


@pytest.mark.parametrize("is_routed", [False, True])
def test_weights_of_samples(is_routed: bool) -> None:
    with config_context(enable_metadata_routing=is_routed):
        bowl = Bowl()
        if is_routed:
            bowl.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = AutofinetuneSearchCV(bowl, {"x": (0.0, 1.0)}, n_iter=2, cv=2, random_state=0)
        search.fit(X, Y, sample_weight=np.full(len(Y), 2.0))
    assert search.best_estimator_.weight_ == 2.0 * len(Y)


def test_it_is_an_estimator_like_others() -> None:
    search = AutofinetuneSearchCV(Ridge(), {"alpha": stats.loguniform(0.01, 10.0)}, n_iter=3, cv=2)
    search.set_params(n_iter=4, estimator__fit_intercept=False, strategy="tpe")
    again = clone(search)
    assert again.get_params()["n_iter"] == 4
    assert not again.estimator.fit_intercept
    assert len(cross_val_score(again, X, Y, cv=2)) == 2
    assert not hasattr(search, "set_callbacks")
    with pytest.raises(ValueError, match="n_iter"):
        search.set_params(n_iter=0).fit(X, Y)


def test_a_free_worker_waits_for_no_other() -> None:
    """The first fit lasts until many others, of later candidates, have ended."""
    lock, many, seen = threading.Lock(), threading.Event(), [0]

    def wait() -> None:
        with lock:
            seen[0] += 1
            number = seen[0]
        if number == 1:
            assert many.wait(60), "other fits waited for the first"
        elif number > 15:
            many.set()

    class Waiting(Bowl):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Bowl:  # noqa: N803
            wait()
            return super().fit(X, y)

    search = AutofinetuneSearchCV(
        Waiting(), {"x": (0.0, 1.0)}, n_iter=12, cv=2, n_jobs=3, error_score="raise"
    )
    with joblib.parallel_config(backend="threading"):
        search.fit(X, Y)
    assert len(search.cv_results_["params"]) == 12
    assert seen[0] == 25


def test_no_candidate_is_asked_for_before_a_worker_is_free() -> None:
    workers, folds = 4, 2
    space = load_space({"param_list": [{"name": "x", "type": "float", "init_value": 0.5,
                                        "greater_than": 0.0, "lower_than": 1.0}]})  # fmt: skip
    strategy = create_strategy("random", space, popsize=5, seed=0)
    trials = Trials(strategy, 30, folds, lambda outcomes: outcomes[0]["score"])
    ended: list[Any] = []
    most: list[int] = []

    def fit(task: Any) -> Any:
        ended.append(task)
        return task, {"score": 0.5}

    def call(task: Any) -> Any:
        most.append(len(most) + 1 - len(ended))
        return delayed(fit)(task)

    with joblib.parallel_config(backend="threading"):
        run_tasks(trials, call, workers)
    assert len(trials.outcomes) == 60 and max(most) <= workers


def test_tasks_seem_to_end_after_each_one() -> None:
    tasks = OneAtATime(iter(range(5)), 2)
    assert [next(tasks), next(tasks)] == [0, 1]
    assert [list(tasks) for _ in range(5)] == [[2], [3], [4], [], []]


def test_distributions_are_searched_by_their_quantiles() -> None:
    space = {
        "a": stats.uniform(2, 3),
        "b": stats.loguniform(1e-3, 1e1),
        "c": stats.randint(3, 6),
        "d": stats.norm(5, 2),
        "e": stats.poisson(4),
        "f": stats.gamma(2.0, loc=1),
        "g": [8, 2, 4],
        "h": ("x", "y"),
        "k": [np.zeros(2), np.ones(2)],
        "i": aft.integers(1, 100, log=True, init=7),
        "j": aft.choice([[1], None], probabilities=[0.2, 0.8]),
    }
    searched = read_space(
        space, {"b": 0.1, "c": 9, "g": 8, "h": "y", "i": 3, "j": [1], "k": np.ones(2)}
    )
    params = searched.params(searched.space.init_params)
    assert [params[name] for name in "bcghij"] == [0.1, 4, 8, "y", 7, [1]]
    for u in (0.0, 0.25, 0.5, 1.0):
        at = searched.params(searched.space.decode([u] * len(space)))
        for name in "abdf":
            least, most = (1e-6 if name == "d" else 0.0), (1 - 1e-6 if name in "df" else 1.0)
            inside = min(max(u, least), most)  # unbounded ends are cut off
            assert at[name] == pytest.approx(space[name].ppf(inside))
        assert at["j"] == ([1] if u < 0.2 else None)
        assert at["c"] in (3, 4, 5) and at["g"] == [2, 2, 4, 8][int(u * 3 + 0.5)]
        assert type(at["e"]) is int and (u in (0.0, 1.0) or at["e"] == stats.poisson(4).ppf(u))
        again = searched.space.encode(searched.space.decode([u] * len(space)))
        assert searched.space.decode(again) == searched.space.decode([u] * len(space))


def test_hparam_files(tmp_path: Path) -> None:
    path = tmp_path / "hparam.yaml"
    path.write_text(
        "param_list:\n- {name: max_depth, type: int, init_value: 3, greater_than: 1, "
        "lower_than: 9}\n- {name: criterion, type: constant, value: entropy}\n"
    )
    search = AutofinetuneSearchCV(TREE, path, n_iter=3, cv=2, random_state=0).fit(X, Y)
    assert search.cv_results_["params"][0] == {"max_depth": 3, "criterion": "entropy"}


def test_mistakes_in_the_space_are_reported_together() -> None:
    space: dict[str, Any] = {"a": 3, "b": [], "c": (2, 1), "d": aft.loguniform(0, 1), "e": [1]}
    space["f"] = aft.choice({"x": {}})
    with pytest.raises(ConfigError, match="5 mistakes") as caught:
        AutofinetuneSearchCV(TREE, space).fit(X, Y)
    assert [line.split(":")[0] for line in caught.value.mistakes] == [*"abcdf"]
    with pytest.raises(ConfigError, match="empty"):
        AutofinetuneSearchCV(TREE, {}).fit(X, Y)
    with pytest.raises(UsageError, match="unknown"):
        AutofinetuneSearchCV(TREE, TREES, strategy="nothing").fit(X, Y)
    with pytest.raises(ValueError, match="Invalid parameter 'leaves'"):
        AutofinetuneSearchCV(TREE, {"leaves": [1, 2]}, error_score="raise").fit(X, Y)


def test_without_the_library_one_sentence_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "import autofinetune.integration.sklearn as integration\n"
        "assert 'sklearn' not in sys.modules and 'numpy' not in sys.modules\n"
        "from autofinetune.errors import EnvironmentProblem\n"
        "def problem():\n"
        "    try:\n"
        "        integration.AutofinetuneSearchCV\n"
        "    except EnvironmentProblem as error:\n"
        "        print(error)\n"
        "sys.modules['sklearn'] = None\n"
        "problem()\n"
        "import types\n"
        "sys.modules['sklearn'] = old = types.ModuleType('sklearn')\n"
        "old.__version__ = '1.3.2'\n"
        "problem()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    missing, old = done.stdout.splitlines()
    assert "sklearn, which is not installed: pip install 'autofinetune[sklearn]'" in missing
    assert "needs sklearn 1.4 or later, and 1.3.2 is installed" in old
