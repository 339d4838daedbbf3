"""Log to Weights & Biases, offline: `wandb sync` uploads the runs when the user wants that.

The environment variable WANDB_MODE=online uploads them during the run instead. A trial is written
when it has ended. Its folder is made in a hidden one and renamed at last, so it is complete or
absent, and a later session knows by the folders which trials are there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from autofinetune.config.config import Config
from autofinetune.core.state import Trial
from autofinetune.core.status import Status
from autofinetune.library import Library
from autofinetune.store.copying import remove_tree
from autofinetune.store.paths import RunPaths

from .trial_log import CURVE, SCORE, Point, TrialLog, facts, plain, run_name

_PARTIAL = ".partial"
# What a surrounding run, sweep or agent of W&B would make of ours.
_NOT_OURS = (
    "NAME",
    "NOTES",
    "RESUME",
    "RUN_ID",
    "SERVICE",
    "SWEEP_ID",
    "SWEEP_PARAM_PATH",
    "TAGS",
)
_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(.+)")


class WandB(TrialLog):
    """Writes every ended trial as a run of W&B."""

    library = Library("wandb", "0.20", "autofinetune[wandb]")

    def __init__(self, config: Config, paths: RunPaths) -> None:
        super().__init__(config, paths)
        self._root: Path | None = None
        self._written: set[str] = set()

    @classmethod
    def next_step(cls, log: str, directory: str) -> str:
        if is_online():
            return "To see it in W&B: open the pages of your project"
        return f"To upload it to W&B: wandb sync {directory}/wandb/offline-run-*"

    def end(self, trial: Trial, curve: list[Point], at: float, run: str) -> None:
        root = self._root or self._open()
        name = f"{run}-{trial.id}"
        if name in self._written:
            return
        partial = root / _PARTIAL
        partial.mkdir(exist_ok=True)
        self._write(trial, curve, at, run, name, partial)
        for folder in (partial / "wandb").iterdir():
            if _FOLDER.fullmatch(folder.name) and not folder.is_symlink():
                folder.rename(root / folder.name)
        remove_tree(partial)
        self._written.add(name)

    def close(self) -> None:
        if self._root is not None and self._written:
            import wandb

            wandb.teardown()

    def _open(self) -> Path:
        self._root = root = self.paths.place_of(self.paths.wandb).held()
        remove_tree(root / _PARTIAL)  # left by a session that was killed
        found = (_FOLDER.fullmatch(path.name) for path in root.iterdir())
        self._written = {match[1] for match in found if match}
        for name in _NOT_OURS:
            os.environ.pop(f"WANDB_{name}", None)
        return root

    def _write(
        self, trial: Trial, curve: list[Point], at: float, run: str, name: str, partial: Path
    ) -> None:
        import wandb

        shown = re.sub(r"[^\w.\- ]", "_", self.config.name) or "autofinetune"
        made = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or shown,
            group=os.environ.get("WANDB_RUN_GROUP") or run,
            id=name,
            name=run_name(trial),
            config=plain(trial.params),
            dir=str(partial),
            mode="online" if is_online() else "offline",
            settings=_settings(wandb),
        )
        made.define_metric("step", hidden=True)
        made.define_metric(CURVE, step_metric="step")
        for point in curve:
            made.log({"step": point.step, CURVE: point.score, "_timestamp": point.at})
        made.summary.update(facts(trial))
        if trial.score is not None:
            made.summary[SCORE] = trial.score
        made.finish(exit_code=int(trial.status is Status.FAILED))


def is_online() -> bool:
    """Return whether the user wants runs to be uploaded while they are made."""
    return os.environ.get("WANDB_MODE") == "online"


def _settings(wandb: Any) -> Any:
    """Return settings that record nothing about this process, which is no trial."""
    return wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
    )
