"""`hyperparameter_search` of a Trainer: early stopping, failures, a kill, several ranks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.integration import library

library("transformers")

from autofinetune.api import open_run  # noqa: E402
from autofinetune.core.status import Status  # noqa: E402
from autofinetune.errors import UsageError  # noqa: E402
from autofinetune.integration.transformers import hyperparameter_search  # noqa: E402
from tests.integration import trainers  # noqa: E402
from tests.integration.trainers import loss, make, rates, tiny  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries
    pytest.mark.xdist_group("transformers"),
]
ROOT = Path(__file__).parents[2]
GRID: dict[str, Any] = {"tuning_strategy": "grid", "gpu": "cpu", "log_to": "none"}
STOP: dict[str, Any] = {
    "assessor": "medianstop",
    "assessor_options": "min_completed=1,start_step=1",
}


def test_stops_failures_and_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def model_init(trial: Any) -> Any:
        if trial is not None and trial["kind"] == "broken":
            raise RuntimeError("this model is broken")
        if trial is not None and trial["kind"] == "hopeless":
            assert trial.suggest_categorical("kind", []) == trial.params["kind"]
            model = tiny()
            model.classifier.bias.data.fill_(99.0)  # one label for all
            model.classifier.bias.data[0] = 0.0
            return model
        return tiny()

    trainer = make(tmp_path, model_init, num_train_epochs=3, save_strategy="epoch")
    best = hyperparameter_search(
        trainer,
        lambda trial: {
            "kind": trial.suggest_categorical("kind", ["good", "hopeless", "broken"]),
            "learning_rate": trial.suggest_categorical("learning_rate", [1e-2]),
        },
        loss, n_trials=3, final="best", keep_checkpoints="best", **GRID, **STOP,
    )  # fmt: skip
    good, hopeless, broken = best.run_summary.trials
    assert [one.status for one in (good, hopeless, broken)] == [
        Status.COMPLETED, Status.STOPPED, Status.FAILED,
    ], capsys.readouterr().err  # fmt: skip
    assert (best.run_id, best.objective) == ("0", good.score)
    states = json.loads((tmp_path / "run-0/checkpoint-6/trainer_state.json").read_text())
    losses = [log["eval_loss"] for log in states["log_history"] if "eval_loss" in log]
    assert len(losses) == 3
    assert good.score == pytest.approx(min(losses))
    # Only the best trial's checkpoints are left.
    assert {path.name for path in tmp_path.iterdir()} == {"search", "run-0"}
    said = capsys.readouterr().err
    assert "Trial 1 pruned with parameters: {'kind': 'hopeless', 'learning_rate': 0.01}" in said
    assert "Trial 2 failed with parameters: {'kind': 'broken', 'learning_rate': 0.01}" in said
    assert "RuntimeError: this model is broken" in said
    # A second search leaves them alone.
    with pytest.raises(UsageError, match="run-0 is of an earlier search"):
        hyperparameter_search(trainer, rates)


def test_a_killed_search_is_continued(tmp_path: Path) -> None:
    command = [sys.executable, trainers.__file__, "resumable", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    for line in first.stderr:
        if "Trial 0 finished" in line:
            break
    first.kill()
    drain = threading.Thread(target=first.stderr.read)
    drain.start()
    assert first.wait() == -signal.SIGKILL
    known = open_run(tmp_path / "out/search").history.best
    best = trainers.resumable(tmp_path)
    drain.join()
    first.stderr.close()
    scores = [trial.score for trial in best.run_summary.trials]
    assert known is not None
    assert len(scores) == 2
    assert scores[0] == known.score
    assert best.objective == scores[int(best.run_id)] == min(scores)
    assert {path.name for path in (tmp_path / "out").glob("run-*")} == {"run-0", "run-1"}


def test_ranks_of_a_trial_stop_together(tmp_path: Path) -> None:
    """Two ranks that exchange their gradients by gloo; the second trial is stopped early."""

    def model_init(trial: Any) -> Any:
        model = tiny()
        if trial is not None and trial["num_train_epochs"] > 2:
            model.classifier.bias.data[1] = 99.0
        return model

    best = hyperparameter_search(
        make(tmp_path, model_init), {"num_train_epochs": [2, 1000]}, loss, n_trials=2,
        ranks_per_trial=2, stop_grace=300, **GRID, **STOP,
    )  # fmt: skip
    first, second = best.run_summary.trials
    assert (first.status, second.status) == (Status.COMPLETED, Status.STOPPED)
    assert first.reports == 2
    assert second.reports < 1000
    exit_record = json.loads((tmp_path / "search/trials/1/attempt-1/exit.json").read_text())
    assert exit_record["returncode"] == 0  # of all ranks: none was killed
    assert (tmp_path / "search/best_model/model.safetensors").exists()


def test_the_search_of_trainer_under_torchrun_with_a_pruner(tmp_path: Path) -> None:
    library("optuna")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        trainers.__file__, "built_in", str(tmp_path),
    ]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    one, other = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert one["states"] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert one["steps"] == other["steps"]
    assert one["steps"][1] < one["steps"][0]  # it was not trained to its end
    assert (other["best"], one["best"] in ("0", "2")) == (None, True)
    assert "this is one of 2 processes of a training" in done.stderr


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"direction": ["minimize"]}, "direction=['minimize'] must be maximize or minimize"),
        ({"final": "first"}, "final=first must be last or best"),
        ({"keep_checkpoints": "some"}, "keep_checkpoints=some must be all or best or none"),
        ({"evaluator": "populationbased"}, "trials of a Trainer with model_init begin"),
        ({"hp_space": {"seed": (0.5, 2.0)}}, "1 mistake:\n  seed=0.5: it must be a whole number"),
        ({"hp_space": {"dropout": (0.0, 0.5)}}, "dropout is no field of TrainingArguments"),
        ({"hp_space": {"bf16": ["yes"]}}, "bf16='yes': it must be True or False"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    tmp_path: Path, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError) as caught:
        hyperparameter_search(make(tmp_path), **given)
    assert why in caught.value.message
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_sent_is_named(tmp_path: Path) -> None:
    lock = threading.Lock()

    def model_init() -> Any:
        with lock:
            return tiny()

    with pytest.raises(UsageError, match=r"trainer cannot be sent .* because lock \(lock\)"):
        hyperparameter_search(make(tmp_path, model_init), rates)
    trainer = make(tmp_path)
    trainer.model_init = None
    with pytest.raises(UsageError, match="the Trainer has no model_init"):
        hyperparameter_search(trainer, rates)
