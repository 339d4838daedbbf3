"""Log to MLflow: a local database in the run's directory, unless MLFLOW_TRACKING_URI is set.

Each trial is a run of one experiment. It appears when the trial starts, so its curve can be
watched, and carries the tags `autofinetune.run` and `autofinetune.trial`. By these the runs of
earlier sessions are found: finished ones stay as they are, and unfinished ones are deleted and
made again. Only the client is used, nothing of MLflow's automatic logging.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autofinetune.config.config import Config
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.library import Library
from autofinetune.space import as_text
from autofinetune.store.paths import RunPaths

from .base import Viewer
from .trial_log import CURVE, SCORE, Point, TrialLog, facts, run_name

DATABASE = "mlflow.db"
URI_VARIABLE = "MLFLOW_TRACKING_URI"
_RUN, _TRIAL = "autofinetune.run", "autofinetune.trial"
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # which pages it has
_MOST_TEXT = 500  # characters of a parameter
_MOST_PARAMS, _MOST_METRICS = 100, 1000  # of one request
_PAGE = 1000


class MLflow(TrialLog):
    """Shows every trial as a run of MLflow, from its start to its end."""

    library = Library("mlflow", "2.14", "autofinetune[mlflow]")

    def __init__(self, config: Config, paths: RunPaths) -> None:
        super().__init__(config, paths)
        self._client: Any = None
        self._experiment = ""
        self._finished: dict[str, set[int]] = {}  # trials by run
        self._runs: dict[int, str] = {}  # of the trials that are running
        self._waiting: dict[int, list[Point]] = {}

    @classmethod
    def viewer(cls, paths: RunPaths, host: str, port: int) -> Viewer:
        database = f"--backend-store-uri=sqlite:///{paths.mlflow.absolute() / DATABASE}"
        words = ("-m", "mlflow", "server", database, "--no-serve-artifacts", "--workers=1")
        env = {**_QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        return Viewer((*words, f"--host={host}", f"--port={port}"), env)

    @classmethod
    def next_step(cls, log: str, directory: str) -> str:
        if os.environ.get(URI_VARIABLE):
            return f"To see it in MLflow: open the pages of the server in {URI_VARIABLE}"
        return super().next_step(log, directory)

    def begin(self, trial: Trial, at: float, run: str) -> None:
        if trial.id in self._finished_of(run):
            return
        tags = {_RUN: run, _TRIAL: str(trial.id)}
        made = self._client.create_run(
            self._experiment, start_time=_ms(at), tags=tags, run_name=run_name(trial)
        )
        self._runs[trial.id] = made.info.run_id
        from mlflow.entities import Param

        values = _named(trial.params)
        params = [Param(name, as_text(value)[:_MOST_TEXT]) for name, value in values.items()]
        for part in _parts(params, _MOST_PARAMS):
            self._client.log_batch(made.info.run_id, params=part)

    def add(self, trial: int, point: Point) -> None:
        if trial in self._runs:
            self._waiting.setdefault(trial, []).append(point)

    def drop(self, trial: int) -> None:
        self._waiting.pop(trial, None)
        if trial in self._runs:
            self._client.delete_run(self._runs.pop(trial))

    def end(self, trial: Trial, curve: list[Point], at: float, run: str) -> None:
        if trial.id in self._finished_of(run):
            return
        if trial.id not in self._runs:
            self.begin(trial, at, run)
        from mlflow.entities import Metric, RunTag

        self._write(trial.id)
        score = {} if trial.score is None else {SCORE: trial.score}
        metrics = {**score, "seconds": trial.seconds}
        run_id = self._runs.pop(trial.id)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, _ms(at), 0) for name, value in metrics.items()],
            tags=[
                RunTag(f"autofinetune.{name}", str(value)) for name, value in facts(trial).items()
            ],
        )
        status = "FAILED" if trial.status is Status.FAILED else "FINISHED"
        self._client.set_terminated(run_id, status, _ms(at))
        self._finished[run].add(trial.id)

    def flush(self, state: State) -> None:
        for trial in list(self._waiting):
            self._write(trial)

    def _write(self, trial: int) -> None:
        from mlflow.entities import Metric

        points = self._waiting.pop(trial, [])
        metrics = [Metric(CURVE, point.score, _ms(point.at), point.step) for point in points]
        for part in _parts(metrics, _MOST_METRICS):
            self._client.log_batch(self._runs[trial], metrics=part)

    def _finished_of(self, run: str) -> set[int]:
        """Return the finished trials of a run; the first call deletes unfinished ones."""
        if run not in self._finished:
            if self._client is None:
                self._connect()
            found = self._finished[run] = set()
            for one in list(self._existing(run)):
                if one.info.status == "RUNNING":
                    self._client.delete_run(one.info.run_id)
                else:
                    found.add(int(one.data.tags[_TRIAL]))
        return self._finished[run]

    def _existing(self, run: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{_RUN}` = '{run}'", max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _connect(self) -> None:
        os.environ.update(_QUIET)
        from mlflow import MlflowClient

        given = os.environ.get(URI_VARIABLE)
        artifacts = None
        if not given:
            folder = self.paths.place_of(self.paths.mlflow).held()
            if (folder / DATABASE).is_symlink():
                raise OSError(f"{self.paths.mlflow / DATABASE} is a link, which is not followed")
            given = f"sqlite:///{folder / DATABASE}"
            artifacts = (self.paths.mlflow / "artifacts").absolute().as_uri()
        self._client = MlflowClient(given)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or self.config.name or "autofinetune"
        found = self._client.get_experiment_by_name(name)
        self._experiment = (
            self._client.create_experiment(name, artifacts, _KIND)
            if found is None
            else found.experiment_id
        )


def _named(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters by names that MLflow accepts, in every version."""
    named: dict[str, Any] = {}
    for name, value in params.items():
        short = accepted = re.sub(r"[^\w.\- ]", "_", name)
        count = 1
        while accepted in named:
            count += 1
            accepted = f"{short}_{count}"
        named[accepted] = value
    return named


def _parts(items: list[Any], most: int) -> Iterable[list[Any]]:
    return (items[start : start + most] for start in range(0, len(items), most))


def _ms(at: float) -> int:
    return round(at * 1000)
