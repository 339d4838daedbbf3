"""AutofinetuneSearchCV by the rules of scikit-learn, with processes and with data frames."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import pytest
from scipy import stats

from tests.integration import library

sklearn = library("sklearn")
pandas = library("pandas")

from sklearn.base import BaseEstimator  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.model_selection import GroupKFold  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from autofinetune.integration.sklearn import AutofinetuneSearchCV  # noqa: E402


@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        (LogisticRegression(), {"C": stats.loguniform(1e-2, 1e2)}),
        (Ridge(), {"alpha": stats.loguniform(0.01, 10.0)}),
    ],
)
def test_no_check_of_scikit_learn_fails(estimator: BaseEstimator, space: Any) -> None:
    search = AutofinetuneSearchCV(estimator, space, n_iter=2, cv=2, error_score="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(search, on_fail=None)
    assert [one["check_name"] for one in found if one["status"] == "failed"] == []
    assert sum(one["status"] == "passed" for one in found) > 40


def test_processes_and_data_frames() -> None:
    frame = load_iris(as_frame=True)
    search = AutofinetuneSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": (1, 6), "criterion": ["gini", "entropy"]},
        n_iter=8,
        n_jobs=2,
        cv=GroupKFold(3),
        random_state=0,
        return_train_score=True,
    )
    search.fit(frame.data, frame.target, groups=[i % 6 for i in range(150)])
    assert list(search.feature_names_in_) == list(frame.data.columns)
    assert len(pandas.DataFrame(search.cv_results_)) == 8
    assert "mean_train_score" in search.cv_results_
    again = pickle.loads(pickle.dumps(search))  # noqa: S301
    assert (again.predict(frame.data) == search.predict(frame.data)).all()
