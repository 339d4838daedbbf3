"""Log to Trackio: a database in the run's directory, never a server or a Space.

A trial is written when it has ended. While one is being written, a file names it; a session that
finds this file deletes that run and writes it again.
"""

from __future__ import annotations

import os
from pathlib import Path

from autofinetune.config.config import Config
from autofinetune.core.state import Trial
from autofinetune.library import Library
from autofinetune.store.directory import write_atomically
from autofinetune.store.paths import RunPaths

from .base import Viewer
from .trial_log import CURVE, SCORE, Point, TrialLog, facts, plain, run_name

PROJECT = "autofinetune"
_PARTIAL = ".partial"
_ELSEWHERE = ("SPACE_ID", "DATASET_ID", "BUCKET_ID", "SERVER_URL", "WEBHOOK_URL")
# Its own command always opens a browser.
_SHOW = (
    "import sys; sys.path[:] = filter(None, sys.path); import trackio; "
    "trackio.show(sys.argv[1], host=sys.argv[2], server_port=int(sys.argv[3]), open_browser=False)"
)


class Trackio(TrialLog):
    """Writes every ended trial as a run of Trackio."""

    library = Library("trackio", "0.38.1", "autofinetune[trackio]")

    def __init__(self, config: Config, paths: RunPaths) -> None:
        super().__init__(config, paths)
        self._root: Path | None = None
        self._written: set[str] = set()

    @classmethod
    def viewer(cls, paths: RunPaths, host: str, port: int) -> Viewer:
        words = ("-c", _SHOW, PROJECT, host, str(port))
        return Viewer(words, {"TRACKIO_DIR": str(paths.trackio.absolute())})

    def end(self, trial: Trial, curve: list[Point], at: float, run: str) -> None:
        root = self._root or self._open()
        name = run_name(trial)
        if name in self._written:
            return
        import trackio

        write_atomically(root / _PARTIAL, name.encode())
        known = {f"autofinetune.{name}": value for name, value in facts(trial).items()}
        made = trackio.init(
            PROJECT,
            name=name,
            group=self.config.name or run,
            config={**plain(trial.params), **known},
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        for point in curve:
            made.log({CURVE: point.score}, step=point.step)
        score = {} if trial.score is None else {SCORE: trial.score}
        made.log({**score, "seconds": trial.seconds}, step=curve[-1].step if curve else 0)
        made.finish()
        (root / _PARTIAL).unlink()
        self._written.add(name)

    def _open(self) -> Path:
        self._root = root = self.paths.place_of(self.paths.trackio).held()
        for name in _ELSEWHERE:
            os.environ.pop(f"TRACKIO_{name}", None)
        os.environ["TRACKIO_DIR"] = str(root)
        import trackio

        partial = (root / _PARTIAL).read_text() if (root / _PARTIAL).exists() else ""
        is_new = not any(root.glob("*.db"))
        for run in () if is_new else trackio.Api().runs(PROJECT):
            if run.name == partial:
                run.delete()
            else:
                self._written.add(run.name)
        return root
