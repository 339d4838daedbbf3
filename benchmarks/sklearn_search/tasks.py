"""The data sets, models and spaces of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR


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
