"""Names every file of an output directory, so that no other module spells one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from autofinetune.directory import Place
from autofinetune.runner.files import REPORTS

PARAMS = "params.json"


@dataclass(frozen=True)
class RunPaths:
    """The layout of one output directory; the first block is PaddleHub's and never changes.

    Paths are for people and for trials. What we write and read ourselves is reached by a `place`.

    Args:
        at: the directory as it was named.
        descriptor: of the open directory, which is the same one wherever it is moved to.
    """

    at: Path
    descriptor: int | None = None

    @property
    def root(self) -> Path:
        """Where the directory is now."""
        return self.at if self.descriptor is None else self._held.readlink()

    @property
    def _held(self) -> Path:
        return Path(f"/proc/self/fd/{self.descriptor}")

    @property
    def place(self) -> Place:
        """The directory, as files in it are to be opened."""
        return Place(self.at if self.descriptor is None else self._held)

    def place_of(self, path: Path) -> Place:
        """A directory below `root`, as files in it are to be opened."""
        return Place(self.place.root, os.path.relpath(path, self.root))

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

    def params(self, trial: int, attempt: int) -> Path:
        return self.attempt_dir(trial, attempt) / PARAMS
