"""The names of all files of an output directory; no other module spells them out."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.errors import EnvironmentProblem
from autofinetune.store.directory import TRUST_VARIABLE, Place, why_not_ours
from autofinetune.trial.logged import SEEN

PARAMS = "params.json"


class _Name:
    """A property of RunPaths: the path of this name in the directory."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, paths: RunPaths, owner: object) -> Path:
        return paths.root / self._name


@dataclass(frozen=True)
class RunPaths:
    """The layout of one output directory; the first block is PaddleHub's and never changes.

    Paths are for users and for trials. Our own reads and writes go through a `place`.
    """

    at: Path  # the directory as the user named it
    descriptor: int | None = None  # of the open directory, valid even if that is moved

    @property
    def root(self) -> Path:
        """The current path of the directory."""
        return self.at if self.descriptor is None else self._held.readlink()

    @property
    def shown(self) -> str:
        """The directory as a user would type it."""
        relative = os.path.relpath(self.root)
        if relative.startswith("-"):  # it would be parsed as an option
            relative = f"./{relative}"
        return shlex.quote(str(self.root) if relative.startswith("..") else relative)

    @property
    def _held(self) -> Path:
        return Path(f"/proc/self/fd/{self.descriptor}")

    @property
    def place(self) -> Place:
        """The directory, to open files in it safely."""
        return Place(self.at if self.descriptor is None else self._held)

    @property
    def where(self) -> Mapping[str, Any]:
        """The identity of this directory, which a copy does not share; empty if it is missing."""
        try:
            found = self.place.root.stat()
        except OSError:
            return {}
        path = str(self.root.absolute())
        return {"path": path, "device": found.st_dev, "inode": found.st_ino}

    def place_of(self, path: Path) -> Place:
        """Return a directory below `root`, to open files in it safely."""
        return Place(self.place.root, os.path.relpath(path, self.root))

    # --- files of PaddleHub 1.x -----------------------------------------------------------------

    log_file = _Name("log_file.txt")
    best_model = _Name("best_model")
    visualization = _Name("visualization")

    def round_dir(self, round_: int) -> Path:
        return self.root / f"round{round_}"

    def trial_log(self, round_: int, member: int) -> Path:
        return self.round_dir(round_) / f"log-{member}.info"

    def model(self, round_: int, member: int) -> Path:
        return self.round_dir(round_) / f"model-{member}"

    # --- ours -----------------------------------------------------------------------------------

    journal = _Name("run.db")
    lock = _Name("run.lock")
    config = _Name("config.yaml")
    trials_csv = _Name("trials.csv")
    best_model_manifest = _Name("best_model.json")
    trials = _Name("trials")
    waits = _Name("waits.json")
    control = _Name("control")
    tuner_log = _Name("tuner.log")
    tensorboard = _Name("tensorboard")
    mlflow = _Name("mlflow")
    wandb = _Name("wandb")
    trackio = _Name("trackio")
    function = _Name("function")
    standing = _Name("store.json")

    @property
    def function_script(self) -> Path:
        """The script of a run that tunes a function."""
        return self.function / "train.py"

    def request(self, name: str) -> Path:
        """What a command asks of the tuner."""
        return self.control / f"{name}.request.json"

    def taken(self, name: str) -> Path:
        """The same request once the tuner has begun to apply it."""
        return self.control / f"{name}.taken.json"

    def answer(self, name: str) -> Path:
        return self.control / f"{name}.answer.json"

    def attempt_dir(self, trial: int, attempt: int) -> Path:
        return self.trials / str(trial) / f"attempt-{attempt}"

    def metrics_seen(self, trial: int, attempt: int) -> Path:
        """The file with the names of logged metrics, except the one that is the score."""
        return self.attempt_dir(trial, attempt) / SEEN

    def params(self, trial: int, attempt: int) -> Path:
        return self.attempt_dir(trial, attempt) / PARAMS


@contextlib.contextmanager
def opened_run(directory: Path) -> Iterator[RunPaths]:
    """Open an output directory and yield its paths; if it does not exist, yield only names.

    Raise EnvironmentProblem if other users can change its contents.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield RunPaths(directory.absolute())
        return
    try:
        why = why_not_ours(os.fstat(descriptor))
        if why:
            raise EnvironmentProblem(
                f"{directory} cannot be trusted: {why}",
                f"restrict access (chown, chmod go-w), copy it, or set {TRUST_VARIABLE}=1 if you "
                "trust everyone who can write there",
            )
        yield RunPaths(directory.absolute(), descriptor)
    finally:
        os.close(descriptor)
