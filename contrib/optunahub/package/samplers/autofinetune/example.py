"""Minimize a function whose parameters depend on a choice."""

from __future__ import annotations

import optuna
import optunahub


def objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    loss = abs(lr - 0.003)
    if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
        loss += abs(trial.suggest_float("momentum", 0.0, 0.99) - 0.9)
    return loss


module = optunahub.load_module("samplers/autofinetune")
study = optuna.create_study(sampler=module.StrategySampler("pshe2", seed=0))
study.optimize(objective, n_trials=50)
print(study.best_value, study.best_params)
