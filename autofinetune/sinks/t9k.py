"""Record each trial as a Run in a folder of TensorStack's AIStore, by its SDK `t9k`.

A trial is written when it has ended: the SDK keeps it in the run's directory and uploads it. What
has arrived is listed in a file, so that a resumed run uploads only the others, and replaces those
that were cut short.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autofinetune.config.config import Config
from autofinetune.core.events import Event
from autofinetune.core.state import State, Trial
from autofinetune.library import Library
from autofinetune.store.credentials import Secrets, read_secrets
from autofinetune.store.directory import read_file, write_atomically
from autofinetune.store.paths import RunPaths
from autofinetune.store.remote import AISTORE
from autofinetune.store.standing import Standing, write_standing

from .base import Sink, SinkFailed
from .store import rebuild
from .trial_log import CURVE, SCORE, Point, TrialLog, facts, plain, run_name

NAME = "t9k"
SDK = Library("t9k", "", "t9k")
_UPLOADED = "uploaded.txt"
_PAUSE_S = 30.0  # after an upload that failed


class T9k(TrialLog):
    """Uploads every ended trial as a Run, into the folder of `--store=aistore://FOLDER`."""

    library = SDK

    def __init__(self, config: Config, paths: RunPaths) -> None:
        super().__init__(config, paths)
        self._folder = folder_of(config)
        self._secrets = Secrets()
        self._em: Any = None
        self._root: Path | None = None
        self._uploaded: set[str] = set()
        self._waiting: dict[str, Any] = {}  # Runs by the name of their trial
        self._rests_until = 0.0
        self._problem = ""

    @classmethod
    def next_step(cls, log: str, directory: str) -> str:
        return ""

    def end(self, trial: Trial, curve: list[Point], at: float, run: str) -> None:
        self._open()
        name = f"{self.config.name or 'autofinetune'}-{run}-{run_name(trial)}"
        if name in self._uploaded:
            return
        made = self._em.create_run(
            name=name,
            hparams=plain(trial.params),
            labels=["autofinetune"],
            description=", ".join(f"{key}: {value}" for key, value in facts(trial).items()),
        )
        for point in curve:
            made.log("train", {CURVE: point.score}, step=point.step)
        score = {} if trial.score is None else {SCORE: trial.score}
        metrics = {**score, "seconds": trial.seconds}
        made.log("test", metrics, step=curve[-1].step if curve else 0)
        made.finish()
        self._waiting[name] = made

    def flush(self, state: State) -> None:
        if self._waiting and time.monotonic() >= self._rests_until:
            self._upload()

    def close(self) -> None:
        if self._waiting:
            self._upload()
        if self._waiting:
            count = len(self._waiting)
            raise SinkFailed(
                f"{count} trial{'s' if count != 1 else ''} not uploaded to the folder "
                f"{self._folder}: {self._problem}; to try again: "
                f"{rebuild(self.paths, f'{AISTORE}://{self._folder}')}"
            )

    def _open(self) -> None:
        if self._root is not None:
            return
        self._root = self.paths.place_of(self.paths.root / NAME).held()
        os.environ["EM_RUN_PARENT_DIR"] = str(self._root / "runs")
        if (self._root / _UPLOADED).exists():
            self._uploaded = set(read_file(self._root / _UPLOADED).decode().splitlines())
        from t9k import em

        self._em = em
        self._secrets = read_secrets(self.config.secrets)

    def _upload(self) -> None:
        """Upload what waits; the first failure ends it until later."""
        assert self._root is not None
        try:
            # Each time: a key may have expired.
            if self._secrets.api_key:
                self._em.login(api_key=self._secrets.api_key)
            else:
                self._em.login()
            for name, made in list(self._waiting.items()):
                made.upload(folder=self._folder, make_folder=True, conflict_strategy="replace")
                self._uploaded.add(name)
                del self._waiting[name]
                listed = "".join(f"{one}\n" for one in sorted(self._uploaded))
                write_atomically(self._root / _UPLOADED, listed.encode())
        except Exception as error:  # whatever the SDK raises
            self._problem = self._secrets.hidden(f"{type(error).__name__}: {error}")
            self._rests_until = time.monotonic() + _PAUSE_S
        else:
            self._problem = ""
        tell(self.paths, self._folder, len(self._uploaded), [*self._waiting], self._problem)


class WithoutSDK(Sink):
    """Says at the end of a run that its trials are not in AIStore, and how to get them there."""

    def __init__(self, config: Config, paths: RunPaths, warn: Callable[[str], None]) -> None:
        self._folder = folder_of(config)
        self._paths = paths
        self._warn = warn

    def handle(self, event: Event, state: State) -> None:
        pass

    def close(self) -> None:
        tell(self._paths, self._folder, 0, ["trials"], "the SDK t9k is not installed")
        self._warn(
            f"no trial was recorded in the folder {self._folder} of AIStore, because the SDK t9k "
            "is not installed here; install it in this Python, then run: "
            f"{rebuild(self._paths, f'{AISTORE}://{self._folder}')}"
        )


def tell(
    paths: RunPaths, folder: str, uploaded: int, waiting: Sequence[str], problem: str
) -> None:
    """Note for `autofinetune status` what has arrived, and the names of what has not."""
    now = time.time()
    found = Standing(
        f"{AISTORE}://{folder}", now, uploaded, waiting=waiting, problem=problem,
        stored_at=now if uploaded else 0.0,
    )  # fmt: skip
    with contextlib.suppress(OSError):  # no space: it is only news
        write_standing(paths, found)


def folder_of(config: Config) -> str:
    """Return the folder of AIStore; without one in the options, the SDK's own default."""
    scheme, _, folder = config.store.partition("://")
    return folder if scheme == AISTORE else "default"
