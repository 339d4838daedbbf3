"""XGBoost and LightGBM: their functions, their scikit-learn classes, cross-validation."""

from __future__ import annotations

import pytest

from .helpers import BOTH, Place, scores
from .libraries import DATA, RATES, check

XGBOOST = """
import xgboost as xgb

class Slow(xgb.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        wait()

data = xgb.DMatrix(x, label=y)
params = {"objective": "binary:logistic", "eta": args.lr, "max_depth": 2, "nthread": 1}
"""
BY_TRAIN = """
history = {}
xgb.train(params, data, EPOCHS, evals=[(data, "train"), (data, "eval")],
          evals_result=history, verbose_eval=False, callbacks=[Slow()])
done(history["eval"]["logloss"][-1], len(history["eval"]["logloss"]))
"""
BY_CLASS = """
model = xgb.XGBClassifier(n_estimators=EPOCHS, learning_rate=args.lr, max_depth=2, n_jobs=1,
                          eval_metric="logloss", callbacks=[Slow()])
model.fit(x, y, eval_set=[(x, y)], verbose=False)
values = model.evals_result()["validation_0"]["logloss"]
done(values[-1], len(values))
"""
BY_CV = """
table = xgb.cv(params, data, EPOCHS, nfold=2, metrics="logloss", seed=1, callbacks=[Slow()])
done(table["test-logloss-mean"].iloc[-1], len(table))
"""


@pytest.mark.stranger("XGBoost", "`train`, `XGBClassifier`, `cv`; early stopping", "xgboost")
@pytest.mark.parametrize(
    ("script", "metric"),
    [(BY_TRAIN, "eval-logloss"), (BY_CLASS, "logloss"), (BY_CV, "test-logloss")],
    ids=["train", "class", "cv"],
)
def test_xgboost(place: Place, script: str, metric: str) -> None:
    check(place, XGBOOST + script, f"--metric={metric}", "--preload=xgboost,sklearn,pandas")


LIGHTGBM = """
import lightgbm as lgb

def slow(env):
    wait()

params = {"objective": "binary", "learning_rate": args.lr, "num_leaves": 4, "num_threads": 1,
          "min_data_in_leaf": 2, "verbose": -1}
"""
LIGHT_TRAIN = """
history = {}
data = lgb.Dataset(x, y)
lgb.train(params, data, EPOCHS, valid_sets=[data], valid_names=["eval"],
          callbacks=[slow, lgb.record_evaluation(history)])
done(history["eval"]["binary_logloss"][-1], len(history["eval"]["binary_logloss"]))
"""
LIGHT_CLASS = """
model = lgb.LGBMClassifier(n_estimators=EPOCHS, **{k: v for k, v in params.items()})
model.fit(x[:48], y[:48], eval_set=[(x[48:], y[48:])], callbacks=[slow])
values = model.evals_result_["valid_0"]["binary_logloss"]
done(values[-1], len(values))
"""
LIGHT_CV = """
found = lgb.cv(params, lgb.Dataset(x, y), EPOCHS, nfold=2, seed=1, callbacks=[slow])
values = found["valid binary_logloss-mean"]
done(values[-1], len(values))
"""


@pytest.mark.stranger("LightGBM", "`train`, `LGBMClassifier`, `cv`; early stopping", "lightgbm")
@pytest.mark.parametrize(
    ("script", "metric"),
    [
        (LIGHT_TRAIN, "eval-binary_logloss"),
        (LIGHT_CLASS, "valid_0-binary_logloss"),
        (LIGHT_CV, "binary_logloss"),
    ],
    ids=["train", "class", "cv"],
)
def test_lightgbm(place: Place, script: str, metric: str) -> None:
    check(place, LIGHTGBM + script, f"--metric={metric}", "--preload=lightgbm,sklearn,pandas")


@pytest.mark.stranger("XGBoost", "`autofinetune resume` after `kill -9` of the tuner", "xgboost")
def test_a_killed_run_goes_on(place: Place) -> None:
    place.write(
        hparam_yaml=RATES.replace("0.000001", "0.2, 0.3, 0.4"),
        train_py=DATA + XGBOOST + BY_TRAIN + "print(args.lr)\n",
    )
    place.kill_when(
        lambda: len(place.ledger()) == 2, "train.py", "--param_file=hparam.yaml", *BOTH,
        "--popsize=4", "--metric=eval-logloss", "--output_dir=result", "--direction=minimize",
    )  # fmt: skip
    done = place.run("resume", "result")
    assert done.code == 0, place.explain(done)
    told = [float(line.split()[0]) for line in place.ledger()]
    assert scores(place.trials()) == pytest.approx(told, rel=1e-5)
    assert len(told) == 4
