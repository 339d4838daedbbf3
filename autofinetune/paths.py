"""Names every file of an output directory, so that no other module spells one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autofinetune.runner.files import REPORTS
from autofinetune.trial.logged import SEEN

PARAMS = "params.json"


@dataclass(frozen=True)
class RunPaths:
    """The layout of one output directory; the first block is PaddleHub's and never changes."""

    root: Path

    # --- what PaddleHub 1.x wrote ---------------------------------------------------------------

    @property
    def log_file(self) -> Path:
        return self.root / "log_file.txt"

    @property
    def best_model(self) -> Path:
        return self.root / "best_model"

    @property
    def visualization(self) -> Path:
        return self.root / "visualization"

    def round_dir(self, round_: int) -> Path:
        return self.root / f"round{round_}"

    def trial_log(self, round_: int, member: int) -> Path:
        return self.round_dir(round_) / f"log-{member}.info"

    def model(self, round_: int, member: int) -> Path:
        return self.round_dir(round_) / f"model-{member}"

    # --- ours -----------------------------------------------------------------------------------

    @property
    def journal(self) -> Path:
        return self.root / "run.db"

    @property
    def lock(self) -> Path:
        return self.root / "run.lock"

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def trials_csv(self) -> Path:
        return self.root / "trials.csv"

    @property
    def best_model_manifest(self) -> Path:
        return self.root / "best_model.json"

    @property
    def trials(self) -> Path:
        return self.root / "trials"

    def attempt_dir(self, trial: int, attempt: int) -> Path:
        return self.trials / str(trial) / f"attempt-{attempt}"

    def reports(self, trial: int, attempt: int) -> Path:
        return self.attempt_dir(trial, attempt) / REPORTS

    def metrics_seen(self, trial: int, attempt: int) -> Path:
        """The names of the metrics that libraries logged, other than the one looked for."""
        return self.attempt_dir(trial, attempt) / SEEN

    def params(self, trial: int, attempt: int) -> Path:
        return self.attempt_dir(trial, attempt) / PARAMS


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace a file in one step: readers see the old content or the new, never a part."""
    partial = path.with_name(f".{path.name}.tmp")
    with partial.open("wb") as file:
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
