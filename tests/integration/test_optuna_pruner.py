"""Studies whose trials are pruned by our assessors."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from autofinetune.assessors import ASSESSORS, assessor_class
from autofinetune.errors import UsageError
from tests.integration import library

optuna: Any = library("optuna")

from autofinetune.integration.optuna import AssessorPruner, StrategySampler  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
STEPS = 9
OPTIONS: dict[str, dict[str, Any]] = {
    "asha": {"max_steps": STEPS},
    "hyperband": {"max_steps": STEPS},
    "curvefitting": {"epoch_num": STEPS, "start_step": 4},
}


def learning(trial: Any, every: int = 1) -> float:
    """Train to a score that a parameter decides, and ask after `every` steps whether to go on."""
    x = trial.suggest_float("x", 0.0, 1.0)
    for step in range(STEPS):
        trial.report(x * (1.0 - math.exp(-step / 3)), step)
        if step % every == 0 and trial.should_prune():
            raise optuna.TrialPruned
    return float(x)


def study_of(pruner: Any, direction: str = "maximize") -> Any:
    sampler = optuna.samplers.RandomSampler(seed=2)
    return optuna.create_study(sampler=sampler, pruner=pruner, direction=direction)


def states(study: Any) -> list[str]:
    return [trial.state.name for trial in study.trials]


ALONE = sorted(name for name in ASSESSORS if not assessor_class(name).asks_strategy)


@pytest.mark.parametrize("name", ALONE)
def test_bad_trials_are_pruned_and_the_best_completes(name: str) -> None:
    study = study_of(AssessorPruner(name, **OPTIONS.get(name, {})))
    study.optimize(learning, n_trials=25)
    assert 0 < states(study).count("PRUNED") < 25
    best = max(study.trials, key=lambda trial: trial.params["x"])
    assert best.state.name == "COMPLETE"
    opposite = study_of(AssessorPruner(name, **OPTIONS.get(name, {})), "minimize")

    def negative(trial: Any) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        for step in range(STEPS):
            trial.report(-x * (1.0 - math.exp(-step / 3)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(-x)

    opposite.optimize(negative, n_trials=25)
    assert states(opposite) == states(study)


def test_no_report_is_missed_by_asking_rarely() -> None:
    often, rarely = (study_of(AssessorPruner("asha", max_steps=STEPS)) for _ in range(2))
    often.optimize(learning, n_trials=15)
    rarely.optimize(lambda trial: learning(trial, every=8), n_trials=15)
    assert states(rarely) == states(often)
    assert "PRUNED" in states(often)


def test_a_verdict_is_repeated_and_survives_pickling() -> None:
    pruner = AssessorPruner("asha", max_steps=STEPS)
    study = study_of(pruner)
    study.optimize(learning, n_trials=6)
    trial = study.ask()
    assert not trial.should_prune()  # without a report
    for step in range(3):
        trial.report(-1.0, step)
    assert trial.should_prune()
    assert trial.should_prune()
    study.pruner = pickle.loads(pickle.dumps(pruner))  # noqa: S301  our own
    assert trial.should_prune()


def test_reports_that_are_not_finite() -> None:
    study = study_of(AssessorPruner("medianstop", min_completed=1))
    study.optimize(learning, n_trials=3)
    for value, is_pruned in ((math.nan, True), (-math.inf, True), (math.inf, False)):
        trial = study.ask()
        trial.report(value, 0)
        assert trial.should_prune() == is_pruned, value


def test_mistakes_are_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"'asah' is no assessor .did you mean 'asha'"):
        AssessorPruner("asah")
    with pytest.raises(UsageError, match=r"eta must be a number from 1\.1"):
        AssessorPruner("asha", eta=0.5)
    AssessorPruner("asha", optimize_mode="minimize")


def test_in_the_search_of_transformers(tmp_path: Path) -> None:
    torch, transformers = library("torch"), library("transformers")

    class Line(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            found = self.layer(x)
            return {"loss": ((found - labels) ** 2).mean(), "logits": found}

    rows = [{"x": [i / 16], "labels": [i / 4]} for i in range(16)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), num_train_epochs=3, eval_strategy="epoch", save_strategy="no",
        report_to=[], disable_tqdm=True, use_cpu=True, logging_strategy="no",
    )  # fmt: skip
    trainer = transformers.Trainer(
        model_init=Line, args=arguments, train_dataset=rows, eval_dataset=rows
    )
    storage = optuna.storages.InMemoryStorage()
    best = trainer.hyperparameter_search(
        hp_space=lambda trial: {
            "learning_rate": trial.suggest_float("learning_rate", 1e-6, 1.0, log=True)
        },
        backend="optuna", direction="minimize", n_trials=6, storage=storage, study_name="s",
        sampler=StrategySampler("pshe2", seed=0), pruner=AssessorPruner("asha", max_steps=6),
    )  # fmt: skip
    study = optuna.load_study(storage=storage, study_name="s")
    assert best.objective == study.best_value
    assert {"PRUNED", "COMPLETE"} == set(states(study))
    assert sum("autofinetune:chosen" in trial.system_attrs for trial in study.trials) == 5


def test_an_assessor_that_asks_the_strategy_is_refused() -> None:
    with pytest.raises(UsageError, match="'surrogate' needs a search of autofinetune"):
        AssessorPruner("surrogate")
